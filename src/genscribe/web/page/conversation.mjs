// One conversation: its head, the timeline, the dialogue, which follows what is said unless the reader went elsewhere.
import { html, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./ui.mjs";
import { ask } from "./api.mjs";
import { begin, items, take } from "./dialogue.mjs";
import { copyText, Downloads } from "./download.mjs";
import { useKeys } from "./keys.mjs";
import { live } from "./live.mjs";
import { Line, Hole, Note } from "./lines.mjs";
import { mediaName } from "./names.mjs";
import { asSearch, follow, go } from "./route.mjs";
import { dateTime, duration, useNow } from "./time.mjs";
import { Timeline } from "./timeline.mjs";

const NEAR = 80; // pixels from the end that still count as being there

export function Conversation({ route }) {
  const { state, version, error } = useConversation(route.id);
  useKeys({ Escape: () => (history.length > 1 ? history.back() : go("/")) });
  if (error) return html`<div class="conversation empty"><h1>${error.status === 404 ? "There is no such conversation" : "This could not be loaded"}</h1>
    <p class="quiet">${error.status === 404 ? "It may be older than what is kept." : error.message}</p><p><a href="/" onClick=${follow}>Back to what is said now</a></p></div>`;
  if (!state) return html`<div class="conversation empty"><p class="quiet" role="status">Loading…</p></div>`;
  return html`<${Loaded} route=${route} state=${state} version=${version} />`;
}

// Loads a conversation and takes in what comes; `version` grows with each change.
function useConversation(id) {
  const [known, set] = useState({ state: null, version: 0, error: null });
  useEffect(() => {
    const ending = new AbortController();
    let state = null, waiting = [], drawn = 0, unknown = false;
    const changed = () => {
      // Drawn once a frame, however many lines come in it.
      drawn ||= requestAnimationFrame(() => { drawn = 0; set(({ version }) => ({ state, version: version + 1, error: null })); });
    };
    const load = async () => {
      state = null;
      unknown = false;
      try {
        const answer = await ask("conversations/" + encodeURIComponent(id), {}, ending.signal);
        state = begin(answer);
        for (const event of waiting) take(state, event);
        waiting = [];
        changed();
      } catch (error) {
        if (error.name === "AbortError") return;
        unknown = error.status === 404;
        set({ state: null, version: 0, error });
      }
    };
    const stop = [
      live.onEvents((events) => {
        if (!state) {
          waiting.push(...events.filter((event) => event.kind === "gap" || event.conversation_id === id));
          if (unknown && waiting.some((event) => event.conversation_id === id)) load(); // it has just begun
          return;
        }
        let any = false;
        for (const event of events) any = take(state, event) || any;
        if (any) changed();
      }),
      live.onReset(load),
    ];
    load();
    return () => { ending.abort(); cancelAnimationFrame(drawn); for (const one of stop) one(); };
  }, [id]);
  return known;
}

function Loaded({ route, state, version }) {
  const now = useNow(1000);
  const list = useMemo(() => items(state), [version]);
  const wanted = route.query.get("line");
  const box = useRef(null);
  const [unread, setUnread] = useState(0);
  const [shown, setShown] = useState(null);
  const atEnd = useRef(!wanted);
  const seen = useRef(list.length);
  const link = useLink(state.card.id);
  const pick = useCallback((key) => go("/conversations/" + encodeURIComponent(state.card.id) + asSearch({ line: key }), { replace: true }), [state.card.id]);
  const toEnd = () => { atEnd.current = true; setUnread(0); box.current.scrollTop = box.current.scrollHeight; };
  const was = useRef({ scrollTop: 0, scrollHeight: 0 });
  const look = () => {
    if (!box.current) return; // the view has just gone
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    if (scrollHeight - scrollTop - clientHeight < NEAR) { atEnd.current = true; setUnread(0); }
    // Lines get their true height when they are drawn, which moves what is shown; a reader moves it at the same height.
    else if (scrollTop < was.current.scrollTop - 1 && scrollHeight === was.current.scrollHeight) atEnd.current = false;
    was.current = { scrollTop, scrollHeight };
    setShown(visible(box.current, list));
  };

  useLayoutEffect(() => {
    const added = list.length - seen.current;
    seen.current = list.length;
    if (!atEnd.current) { if (added > 0) setUnread((before) => before + added); return undefined; }
    box.current.scrollTop = box.current.scrollHeight;
    return undefined;
  }, [list]);
  useEffect(() => {
    const watcher = new ResizeObserver(() => { if (atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight; });
    watcher.observe(box.current);
    watcher.observe(box.current.firstElementChild);
    return () => watcher.disconnect();
  }, []);
  useLayoutEffect(() => {
    const element = wanted && box.current.querySelector(`[data-key="${CSS.escape(wanted)}"]`);
    if (!element) return;
    atEnd.current = false;
    element.scrollIntoView({ block: "center" });
    element.focus({ preventScroll: true });
  }, [wanted, state.head]);
  useEffect(look, [list.length > 0]);
  const step = (by) => {
    const keys = list.filter((item) => item.type === "line").map((item) => item.line.key);
    const here = keys.indexOf(wanted);
    const next = keys[here < 0 ? (by > 0 ? 0 : keys.length - 1) : Math.min(Math.max(here + by, 0), keys.length - 1)];
    if (next) pick(next);
  };
  useKeys({ j: () => step(1), k: () => step(-1), G: toEnd });
  const goTo = (time) => {
    const near = list.filter((item) => item.type === "line").reduce((best, item) =>
      !best || Math.abs(item.time - time) < Math.abs(best.time - time) ? item : best, null);
    if (near) pick(near.line.key);
  };

  return html`<article class="conversation">
    <${Head} state=${state} now=${now} link=${link} onCopy=${() => copyText(list, state)} />
    <${Timeline} state=${state} version=${version} now=${now} shown=${shown} onGo=${goTo} />
    <div class="dialogue" ref=${box} onScroll=${look} role="log" aria-live="off" aria-label="What was said" tabindex="0"><div class="said">
      ${state.earlier > 0 && html`<p class="note quiet">${state.earlier} earlier lines are in the downloads.</p>`}
      ${!list.length && html`<p class="empty quiet">Nothing has been said yet.</p>`}
      ${list.map((item) => item.type === "line"
        ? html`<${Line} key=${item.key} item=${item} people=${state.people} id=${state.card.id} picked=${item.line.key === wanted} onPick=${pick} />`
        : item.type === "hole" ? html`<${Hole} key=${item.key} hole=${item.hole} />` : html`<${Note} key=${item.key} note=${item} />`)}
    </div></div>
    ${unread > 0 && html`<button class="newer" onClick=${toEnd}>↓ ${unread === 1 ? "A new line" : unread + " new lines"}</button>`}
  </article>`;
}

function Head({ state, now, link, onCopy }) {
  const { card } = state;
  const agents = [...new Set([...state.people.values()].filter((one) => one.purpose === "agent" && one.user_name).map((one) => one.user_name))];
  const began = Date.parse(card.started_at ?? card.first_spoken_at ?? "");
  const ended = Date.parse(card.ended_at ?? "");
  const length = Number.isNaN(began) ? "" : duration((Number.isNaN(ended) ? (card.live ? now : Date.parse(card.last_spoken_at ?? "")) : ended) - began);
  return html`<header class="head">
    <div class="who"><h1>${agents.length ? agents.join(", ") : state.card.agents?.length ? "Agent" : "No agent yet"}</h1>
      <p class="quiet">${[card.queue_name, mediaName(card.media_type), card.direction, began && dateTime(began)].filter(Boolean).join(" · ")}
        ${length && html` · <span class="number">${length}</span>`}
        ${card.live && html` <span class="live">live</span>`}</p></div>
    <div class="deeds">
      ${link && html`<a class="button" href=${link} target="_blank" rel="noopener noreferrer">Open in Genesys</a>`}
      <button onClick=${onCopy}>Copy</button><${Downloads} id=${card.id} />
    </div>
  </header>`;
}

function useLink(id) {
  const [template, set] = useState(null);
  useEffect(() => { ask("page").then((page) => set(page.genesys_link), () => {}); }, []);
  return template && template.startsWith("https://") ? template.replace("{conversation_id}", encodeURIComponent(id)) : null;
}

// → the times of the first and last line in view.
function visible(box, list) {
  const rows = box.querySelectorAll("[data-time]");
  if (!rows.length) return null;
  const { top, bottom } = box.getBoundingClientRect();
  const first = seek(rows, (row) => row.getBoundingClientRect().bottom > top);
  const last = seek(rows, (row) => row.getBoundingClientRect().top > bottom) - 1;
  if (first >= rows.length) return null;
  return { from: Number(rows[first].dataset.time), to: Number(rows[Math.max(first, last)].dataset.time) + 1000 };
}

// The first row for which `test` holds, as rows lie in order from top to bottom.
function seek(rows, test) {
  let low = 0, high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (test(rows[middle])) high = middle; else low = middle + 1;
  }
  return low;
}
