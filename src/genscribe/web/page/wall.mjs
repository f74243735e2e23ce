// The live wall: conversations in progress, newest speech first. Only what is in view is drawn, however many there are.
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./ui.mjs";
import { Card } from "./card.mjs";
import { useKeys } from "./keys.mjs";
import { live, useLive } from "./live.mjs";
import { mediaName } from "./names.mjs";
import { arranged, kept, watched } from "./order.mjs";
import { asSearch, conversationUrl, follow, go } from "./route.mjs";
import * as talk from "./talk.mjs";
import { ago, useNow } from "./time.mjs";

const HEIGHT = 136, GAP = 12, LEAST = 300; // of a card, in pixels
const ORDER_MS = 2000;   // the order is made anew so often, and not while somebody points at it
const FADE_MS = 15000;   // so long an ended conversation stays on the wall
const LAST = 12;         // so many of them are listed below
const WATCH = "genscribe.watch";

// Words that lit a card, until somebody looks at it; they outlive the view.
const lit = new Map();
const ended = [];

export function Wall({ route }) {
  const chosen = Object.fromEntries(["text", "queue", "agent", "media_type"].map((name) => [name, route.query.get(name) ?? ""]));
  const watch = route.query.get("watch") ?? stored();
  const set = (changes) => go("/" + asSearch({ ...chosen, watch, ...changes }), { replace: true });
  const pattern = useMemo(() => watched(watch), [watch]);
  const now = useNow(1000);
  const [turn, redraw] = useState(0);
  const box = useRef(null), order = useRef([]), versions = useRef(new Map()), pointed = useRef(false), pattern_ = useRef(pattern);
  pattern_.current = pattern;
  const place = usePlace(box);

  const arrange = (quietly) => {
    const wanted = arranged(live.cards, chosen, lit);
    order.current = quietly || pointed.current ? kept(order.current, wanted) : wanted;
    redraw((count) => count + 1);
  };
  const asked = JSON.stringify(chosen);
  useLayoutEffect(() => { arrange(); try { localStorage.setItem(WATCH, watch); } catch { /* private mode */ } }, [asked, watch]);
  useEffect(() => {
    const stop = [
      live.subscribe((dirty) => {
        for (const id of dirty) versions.current.set(id, (versions.current.get(id) ?? 0) + 1);
        const known = order.current.length, now = new Set(order.current);
        let fresh = known === 0;
        for (const id of dirty) if (!now.has(id)) fresh = true;
        fresh ? arrange(true) : redraw((count) => count + 1);
      }),
      live.onEvents((events) => { talk.hear(events); light(events, pattern_.current); }),
      live.onReset(() => { order.current = []; }),
    ];
    const timer = setInterval(() => { if (!document.hidden) { sweep(); arrange(); } }, ORDER_MS);
    return () => { clearInterval(timer); for (const one of stop) one(); };
  }, [asked]);

  const columns = Math.max(1, Math.floor((place.width + GAP) / (LEAST + GAP)));
  const width = (place.width - GAP * (columns - 1)) / columns;
  const first = Math.max(0, Math.floor(place.top / (HEIGHT + GAP)) - 1) * columns;
  const shown = order.current.slice(first, first + (Math.ceil(place.height / (HEIGHT + GAP)) + 3) * columns).filter((id) => live.cards.has(id));
  useEffect(() => talk.want(shown), [shown.join("\n")]);
  const step = (by) => {
    const here = order.current.indexOf(document.activeElement?.dataset?.id);
    const at = Math.min(Math.max(here + by, 0), order.current.length - 1);
    if (at < 0) return;
    const row = Math.floor(at / columns) * (HEIGHT + GAP), wall = box.current;
    if (row < wall.scrollTop || row + HEIGHT > wall.scrollTop + wall.clientHeight) wall.scrollTop = Math.max(0, row - wall.clientHeight / 3);
    setTimeout(() => wall.querySelector(`[data-id="${CSS.escape(order.current[at])}"]`)?.focus(), 30);
  };
  useKeys({ j: () => step(1), k: () => step(-1), "/": () => go("/search"), Escape: () => set({ text: "", queue: "", agent: "", media_type: "" }) });

  return html`<section class="wall" aria-label="Conversations in progress">
    <${Tools} chosen=${chosen} watch=${watch} set=${set} count=${order.current.length} />
    <div class="cards" ref=${box} onPointerEnter=${() => { pointed.current = true; }} onPointerLeave=${() => { pointed.current = false; }}
        onFocusIn=${() => { pointed.current = true; }} onFocusOut=${() => { pointed.current = false; }}>
      ${!order.current.length && html`<${Nobody} chosen=${chosen} />`}
      <div class="room" style=${{ height: Math.ceil(order.current.length / columns) * (HEIGHT + GAP) + "px" }}>
        ${place.width > 0 && shown.map((id, index) => {
          const at = first + index, x = (at % columns) * (width + GAP), y = Math.floor(at / columns) * (HEIGHT + GAP);
          return html`<${Card} key=${id} card=${live.cards.get(id)} version=${versions.current.get(id) ?? 0} now=${now} lit=${lit.get(id)} pattern=${pattern}
            style=${{ transform: `translate(${x}px, ${y}px)`, width: width + "px", height: HEIGHT + "px" }} />`;
        })}
      </div>
      <${Ended} now=${now} />
    </div>
  </section>`;
}

function stored() {
  try { return localStorage.getItem(WATCH) ?? ""; } catch { return ""; }
}

// Lights the cards in which a watched word was just said.
function light(events, pattern) {
  if (!pattern) return;
  for (const event of events) {
    if (event.kind !== "utterance" || !event.is_final || event.conversation_id == null) continue;
    const found = event.text.match(pattern);
    if (found) lit.set(event.conversation_id, found[0].slice(0, 40));
  }
}

// Takes what ended a while ago, or was heard of last long ago, from the wall.
function sweep() {
  const now = Date.now();
  for (const card of live.cards.values()) {
    if (!card.ended_at || now - (card.gone ??= now) < FADE_MS) continue;
    ended.unshift(card);
    ended.length = Math.min(ended.length, LAST);
    live.forget(card.id);
    talk.forget(card.id);
    lit.delete(card.id);
  }
}

// How large the wall is and where it is scrolled to.
function usePlace(box) {
  const [place, set] = useState({ width: 0, height: 0, top: 0 });
  useLayoutEffect(() => {
    const look = () => {
      const { clientWidth, clientHeight, scrollTop } = box.current, style = getComputedStyle(box.current);
      set({ width: clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight), height: clientHeight, top: scrollTop });
    };
    look();
    const watcher = new ResizeObserver(look);
    watcher.observe(box.current);
    box.current.addEventListener("scroll", look, { passive: true });
    const element = box.current;
    return () => { watcher.disconnect(); element.removeEventListener("scroll", look); };
  }, []);
  return place;
}

function Tools({ chosen, watch, set, count }) {
  const choices = useLive((live) => options(live));
  const menu = (name, label, list) => html`<label><span class="hidden">${label}</span><select value=${chosen[name]} onChange=${(event) => set({ [name]: event.target.value })}>
    <option value="">${label}: all</option>${list.map(([value, text]) => html`<option key=${value} value=${value} selected=${value === chosen[name]}>${text}</option>`)}
    ${chosen[name] && !list.some(([value]) => value === chosen[name]) && html`<option value=${chosen[name]} selected>${chosen[name]}</option>`}</select></label>`;
  return html`<form class="tools" onSubmit=${(event) => event.preventDefault()}>
    <input type="search" aria-label="Filter by text" placeholder="Filter" value=${chosen.text} onInput=${(event) => set({ text: event.target.value })} />
    ${menu("queue", "Queue", choices.queues)} ${menu("agent", "Agent", choices.agents)} ${menu("media_type", "Medium", choices.media)}
    <input class="watch" type="text" aria-label="Watch for words, separated by commas" placeholder="Watch for words: cancel, lawyer" value=${watch} onInput=${(event) => set({ watch: event.target.value })} />
    <p class="quiet"><b class="number">${count}</b> in progress<${Late} /></p>
  </form>`;
}

// What can be chosen among the cards that there are; the same object while nothing changed.
let before = { text: "" };
function options({ cards }) {
  const queues = new Map(), agents = new Map(), media = new Set();
  for (const card of cards.values()) {
    if (card.queue_id) queues.set(card.queue_id, card.queue_name ?? card.queue_id);
    for (const one of card.agents) agents.set(one.id, one.name ?? one.id);
    if (card.media_type) media.add(card.media_type);
  }
  const sorted = (pairs) => [...pairs].sort((one, other) => one[1].localeCompare(other[1]));
  const found = { queues: sorted(queues), agents: sorted(agents), media: [...media].sort().map((type) => [type, mediaName(type)]) };
  const text = JSON.stringify(found);
  if (text !== before.text) before = { ...found, text };
  return before;
}

function Late() {
  const lag = useLive((live) => live.pulse?.speech_s ?? null);
  return lag === null ? null : html`<span> · text arrives about <span class="number">${lag < 10 ? lag.toFixed(1) : Math.round(lag)}</span> s after it is spoken</span>`;
}

function Nobody({ chosen }) {
  const [state, error, any] = [useLive((live) => live.state), useLive((live) => live.error), useLive((live) => live.cards.size > 0)];
  const words = state === "starting" ? ["One moment…", ""] : state === "lost" ? ["This page lost its server", error ?? "It tries again by itself."]
    : any && Object.values(chosen).some(Boolean) ? ["No conversation fits the filter", "Esc shows all of them."] : ["Nobody is talking now", "Conversations appear here as they begin."];
  return html`<div class="nobody" role="status"><h1>${words[0]}</h1><p class="quiet">${words[1]}</p></div>`;
}

function Ended({ now }) {
  if (!ended.length) return null;
  return html`<section class="over"><h2>Ended just now</h2><ul>${ended.map((card) => html`<li key=${card.id}>
    <a href=${conversationUrl(card.id)} onClick=${follow}><bdi>${card.agents.map((one) => one.name).filter(Boolean).join(", ") || "No agent"}</bdi></a>
    <span class="quiet"> ${[card.queue_name, mediaName(card.media_type)].filter(Boolean).join(" · ")} · ${ago(card.ended_at, now)}</span></li>`)}</ul></section>`;
}
