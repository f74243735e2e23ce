// One conversation: its head, the timeline, the dialogue, which follows what is said unless the reader went elsewhere.
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./ui.mjs";
import { ask } from "./api.mjs";
import { begin, items, take } from "./dialogue.mjs";
import { stepped, useKeys } from "./keys.mjs";
import { live } from "./live.mjs";
import { Between, Line } from "./lines.mjs";
import { mediaName, speakerName } from "./names.mjs";
import { conversationUrl, follow, go } from "./route.mjs";
import { clock, dateTime, duration, useNow } from "./time.mjs";
import { Timeline } from "./timeline.mjs";

const NEAR = 80; // pixels from the end that still count as being there

export function Conversation({ route }) {
  const known = useConversation(route.id);
  useKeys({ Escape: () => (history.length > 1 ? history.back() : go("/")) });
  if (known.state) return html`<${Loaded} route=${route} known=${known} />`;
  if (!known.error) return html`<p class="nobody quiet" role="status">Loading…</p>`;
  const [head, more] = known.error.status === 404 ? ["There is no such conversation", "It may be older than what is kept."]
    : ["This could not be loaded", known.error.message];
  return html`<div class="nobody"><h2>${head}</h2><p class="quiet">${more}</p><a href="/" onClick=${follow}>Back to what is said now</a></div>`;
}

// Loads a conversation and takes in what comes. → { state } or { error }; another object with each change.
function useConversation(id) {
  const [known, set] = useState({});
  useEffect(() => {
    const ending = new AbortController();
    let state = null, waiting = [], frame = 0;
    // Drawn once a frame, however many lines come in it.
    const changed = () => { frame ||= requestAnimationFrame(() => { frame = 0; set({ state }); }); };
    const load = async () => {
      state = null;
      waiting = [];
      try {
        const found = begin(await ask("conversations/" + encodeURIComponent(id), {}, ending.signal));
        for (const event of waiting) take(found, event);
        state = found;
        changed();
      } catch (error) {
        waiting = null;
        if (error.name !== "AbortError") set({ error });
      }
    };
    const hear = (events) => {
      if (state) { if (events.filter((event) => take(state, event)).length) changed(); }
      else if (waiting) waiting.push(...events);
      else if (events.some((event) => event.conversation_id === id)) load(); // it has just begun
    };
    load();
    const stop = [live.onEvents(hear), live.onReset(load)];
    return () => { ending.abort(); cancelAnimationFrame(frame); for (const one of stop) one(); };
  }, [id]);
  return known;
}

function Loaded({ route, known }) {
  const { state } = known, { card, participant: people } = state;
  const now = useNow(1000);
  const list = useMemo(() => items(state), [known]);
  const lines = list.filter((item) => item.line), wanted = route.query.get("line");
  const pick = (item) => item && go(conversationUrl(card.id, { line: item.line.key }), { replace: true });
  const { box, look, unread, toEnd } = useFollowing(list, wanted);
  const step = (by) => pick(stepped(lines, lines.findIndex((item) => item.line.key === wanted), by));
  useKeys({ j: () => step(1), k: () => step(-1), G: toEnd });
  const goTo = (time) => {
    const far = (item) => Math.abs(item.time - time);
    pick(lines.reduce((best, item) => (best && far(best) <= far(item) ? best : item), null));
  };
  const text = () => lines.map(({ time, line }) => `${clock(time)}  ${speakerName(line, people)}: ${line.text}`).join("\n");

  return html`<article class="conversation">
    <${Head} card=${card} people=${people} now=${now} text=${text} />
    <${Timeline} state=${state} list=${list} now=${now} onGo=${goTo} />
    <div class="dialogue" ref=${box} onScroll=${look} role="log" aria-live="off" aria-label="What was said" tabindex="0"><div>
      ${state.earlier > 0 && html`<p class="note">${state.earlier} earlier lines are in the downloads.</p>`}
      ${!list.length && html`<p class="nobody quiet">Nothing has been said yet.</p>`}
      ${list.map((item) => item.line ? html`<${Line} key=${item.key} item=${item} people=${people} id=${card.id} picked=${item.line.key === wanted} />`
        : html`<${Between} key=${item.key} item=${item} />`)}
    </div></div>
    ${unread > 0 && html`<button class="waiting" onClick=${toEnd}>↓ ${unread === 1 ? "A new line" : unread + " new lines"}</button>`}
  </article>`;
}

// Keeps the end of a list in view until the reader leaves it, or a line is wanted.
function useFollowing(list, wanted) {
  const box = useRef(null), was = useRef({});
  const [left, leave] = useState(null); // how long the list was when the reader left its end
  const away = useRef();
  away.current = left !== null;
  const toEnd = () => { leave(null); box.current.scrollTop = box.current.scrollHeight; };
  const look = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    if (scrollHeight - scrollTop - clientHeight < NEAR) leave(null);
    // Lines get their true height when they are drawn, which moves what is shown; a reader moves it at the same height.
    else if (scrollTop < was.current.scrollTop - 1 && scrollHeight === was.current.scrollHeight) leave((before) => before ?? list.length);
    was.current = { scrollTop, scrollHeight };
  };
  useLayoutEffect(() => {
    const element = wanted && box.current.querySelector(`[data-key="${CSS.escape(wanted)}"]`);
    if (!element) return;
    leave((before) => before ?? list.length);
    away.current = true;
    element.scrollIntoView({ block: "center" });
    element.focus({ preventScroll: true });
  }, [wanted]);
  useEffect(() => {
    const watcher = new ResizeObserver(() => { if (!away.current) toEnd(); });
    watcher.observe(box.current);
    watcher.observe(box.current.firstElementChild);
    return () => watcher.disconnect();
  }, []);
  return { box, look, toEnd, unread: left === null ? 0 : list.length - left };
}

function Head({ card, people, now, text }) {
  const [template, set] = useState(null), [told, tell] = useState("");
  useEffect(() => { ask("page").then((page) => set(page.genesys_link), () => {}); }, []);
  const agents = [...new Set([...people.values()].filter((one) => one.purpose === "agent" && one.user_name).map((one) => one.user_name))];
  const began = Date.parse(card.started_at ?? card.first_spoken_at ?? "");
  const until = card.live ? now : Date.parse(card.ended_at ?? card.last_spoken_at ?? "");
  const copy = () => navigator.clipboard.writeText(text()).then(() => tell("Copied."), () => tell("The browser does not allow it; take the text file."));
  const file = `/api/conversations/${encodeURIComponent(card.id)}?format=`;
  return html`<header class="head">
    <div><h1>${agents.join(", ") || (card.agents?.length ? "Agent" : "No agent yet")}</h1>
      <p class="quiet">${[card.queue_name, mediaName(card.media_type), card.direction, began && dateTime(began)].filter(Boolean).join(" · ")}
        ${until >= began && html` · <span class="number">${duration(until - began)}</span>`}
        ${card.live && html` <span class="live">live</span>`}</p></div>
    <div class="deeds"><span class="quiet" role="status">${told}</span>
      ${template?.startsWith("https://") && html`<a class="button" href=${template.replace("{conversation_id}", encodeURIComponent(card.id))} target="_blank" rel="noopener noreferrer">Open in Genesys</a>`}
      <button class="button" onClick=${copy}>Copy</button><a class="button" href=${file + "txt"} download>Text</a>
      <a class="button" href=${file + "jsonl"} download title="One JSON object a line, as all exports">JSON Lines</a>
    </div>
  </header>`;
}
