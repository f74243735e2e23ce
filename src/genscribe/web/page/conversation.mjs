// One conversation.
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./ui.mjs";
import { ask } from "./api.mjs";
import { Timeline } from "./charts.mjs";
import { about, begin, items, lane, names, take } from "./dialogue.mjs";
import { stepped, useKeys } from "./keys.mjs";
import { live, useLive } from "./live.mjs";
import { speakerName } from "./names.mjs";
import { conversationUrl, follow, go } from "./route.mjs";
import { clock, duration, useNow } from "./time.mjs";
import { failed, many } from "./verdict.mjs";

const NEAR = 80; // pixels from the end that still count as being there
const UNSURE = 0.6; // below that confidence a line is drawn softer
const AGAIN_MS = 2000;

export function Conversation({ route }) {
  const { state, error } = useConversation(route.id);
  useKeys({ Escape: () => (history.length > 1 ? history.back() : go("/")) });
  if (state) return html`<${Loaded} route=${route} state=${state} />`;
  const [head, more] = !error ? ["Loading…"] : error.status === 404 ? ["There is no such conversation", "It may be older than what is kept."]
    : ["This could not be loaded", failed(error) + " This page tries again."];
  return html`<div class="nobody" role="status"><h2>${head}</h2><p class="quiet">${more}</p></div>`;
}

// Loads it and takes in what comes. → { state }, another one with each change, or { error }, or {} at first.
function useConversation(id) {
  const [known, set] = useState({});
  useEffect(() => {
    const times = new Map();
    let state, waiting, frame, again;
    const show = () => { frame = 0; set({ state: { ...state } }); };
    const load = async () => {
      const heard = waiting = [...live.recent];
      const answer = await ask("conversations/" + encodeURIComponent(id)).catch((error) => ({ error })), { error } = answer;
      if (heard !== waiting) return; // it is loaded anew, or nobody looks any more
      waiting = null;
      if (!error) {
        state = begin(answer, times);
        for (const event of heard) take(state, event);
        show();
      } else {
        if (!state) set({ error });
        if (error.status !== 404) again = setTimeout(load, AGAIN_MS);
      }
    };
    const hear = (events) => {
      if (waiting) waiting.push(...events);
      else if (!state) events.some((event) => event.conversation_id === id) && load(); // it has just begun
      // Drawn once a frame, however many come in it.
      else if (events.filter((event) => take(state, event)).length) frame ||= requestAnimationFrame(show);
    };
    load();
    const stop = [live.onEvents(hear), live.onReset(load), () => { waiting = null; cancelAnimationFrame(frame); clearTimeout(again); }];
    return () => stop.forEach((one) => one());
  }, []);
  return known;
}

function Loaded({ route, state }) {
  const id = route.id, now = useNow(1000), known = live.cards.get(id), going = known?.gone === null;
  const card = Object.assign(state.card, known), people = [...state.participant.values()], wanted = route.query.get("line");
  const list = useMemo(() => items(state, going && Date.now()), [state, going]), lines = list.filter(({ line }) => line);
  const { box, look, unread, toEnd } = useFollowing(list, wanted);
  const pick = (item) => item && go(conversationUrl(id, { line: item.line.key }), { replace: true });
  const step = (by) => pick(stepped(lines, lines.findIndex(({ line }) => line.key === wanted), by));
  useKeys({ j: () => step(1), k: () => step(-1), G: toEnd });
  // The same each second while nothing comes.
  const shown = useMemo(() => list.map((item) => html`<${item.line ? Line : Between} ...${item} people=${people} id=${id} wanted=${wanted} />`), [list, wanted]);
  const before = state.earlier > 0 && `${state.earlier} earlier lines are in the downloads.`;
  const text = () => [before, ...list.map(({ time, line, hole }) => (line ? `${clock(time)}  ${speakerName(line, people)}: ${line.text}` : hole))].filter(Boolean).join("\n");

  return html`<article class="conversation">
    <${Head} card=${card} now=${going && now} text=${text} />
    <${Timeline} state=${state} list=${list} now=${going && now} onGo=${(time) => pick(lines.findLast((item) => item.time <= time) ?? lines[0])} />
    <div class="dialogue" ref=${box} onScroll=${look} role="log" aria-live="off" aria-label="What was said" tabindex="0"><div>
      ${before && html`<p class="note">${before}</p>`}
      ${!list.length && html`<p class="nobody quiet">Nothing has been said yet.</p>`}
      ${shown}
    </div></div>
    ${unread > 0 && html`<button class="button waiting" onClick=${toEnd}>↓ ${many(unread, "new line")}</button>`}
  </article>`;
}

function Line({ line, time, more, people, id, wanted }) {
  const { key, confidence, text, cut } = line, unsure = confidence != null && confidence < UNSURE;
  const kinds = ["line", lane(line), more && "again", key === wanted && "picked", unsure && "unsure", !line.is_final && "interim"];
  return html`<div class=${kinds.filter(Boolean).join(" ")} data-key=${key} tabindex="-1">
    <span class=${more ? "hidden" : "speaker"}>${speakerName(line, people)}</span>
    <a class="time number faint" href=${conversationUrl(id, { line: key })} title="Link to this line" onClick=${(event) => follow(event, { replace: true })}>${clock(time)}</a>
    <p class="speech" dir="auto">${text || "…"}</p>
    ${cut && html`<span class="faint">The rest of this line is in the downloads.</span>`}
    ${unsure && html`<span class="hidden">(not sure)</span>`}
  </div>`;
}

function Between({ time, hole, who, what, queue }) {
  return html`<p class=${hole ? "gap bad" : "note"}><span>${hole ?? html`<bdi>${who}</bdi> ${what}${queue && html` · <bdi>${queue}</bdi>`} <span class="number">${clock(time)}</span>`}</span></p>`;
}

// Keeps the end of a list in view until the reader leaves it, or a line is wanted.
function useFollowing(list, wanted) {
  const box = useRef(), was = useRef({});
  const [left, leave] = useState(null); // how long the list was when the reader left its end
  const goAway = () => leave((before) => before ?? list.length), toEnd = () => leave(null);
  const look = ({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
    if (scrollHeight - scrollTop - clientHeight < NEAR) toEnd();
    // Lines get their true height when drawn, which moves what is shown; a reader moves it at the same height.
    else if (scrollTop < was.current.scrollTop - 1 && scrollHeight === was.current.scrollHeight) goAway();
    was.current = { scrollTop, scrollHeight };
  };
  useLayoutEffect(() => {
    const element = wanted && box.current.querySelector(`[data-key="${CSS.escape(wanted)}"]`);
    if (!element) return;
    goAway();
    element.scrollIntoView({ block: "center" });
    element.focus({ preventScroll: true });
  }, [wanted]);
  useLayoutEffect(() => {
    if (left !== null) return;
    const watcher = new ResizeObserver(() => { box.current.scrollTop = box.current.scrollHeight; });
    for (const one of [box.current, box.current.firstElementChild]) watcher.observe(one);
    return () => watcher.disconnect();
  }, [left === null]);
  return { box, look, toEnd, unread: left === null ? 0 : list.length - left };
}

// `now` is 0 or false where it does not go on.
function Head({ card, now, text }) {
  const [link, set] = useState(), [copy, tell] = useState("Copy"), lost = useLive(() => live.state === "lost");
  useEffect(() => { ask("page").then((page) => set(page.genesys_link), () => {}); }, []);
  const long = (now || Date.parse(card.ended_at ?? card.last_spoken_at)) - Date.parse(card.started_at ?? card.first_spoken_at), id = encodeURIComponent(card.id);
  const take = () => navigator.clipboard.writeText(text()).then(() => tell("Copied"), () => tell("Not allowed here"));
  const file = (format, name) => html`<a class="button" href=${`/api/conversations/${id}?format=${format}`} download>${name}</a>`;
  return html`<header class="head">
    <div><h1>${names(card)}</h1>
      <p class="quiet">${about(card)}${long >= 0 && html` · <span class="number">${duration(long)}</span>`} ${now && html`<span class=${"count" + (lost ? " bad" : "")}>${lost ? "connection to the server lost" : "live"}</span>`}</p></div>
    <div class="deeds">
      ${link?.startsWith("https://") && html`<a class="button" href=${link.replace("{conversation_id}", id)} target="_blank" rel="noreferrer">Open in Genesys</a>`}
      <button class="button" aria-live="polite" onClick=${take}>${copy}</button>${file("txt", "Text")}${file("jsonl", "JSON Lines")}
    </div>
  </header>`;
}
