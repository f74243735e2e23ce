// The live wall: who is talking now and what they say. Only what can be seen is drawn, so thousands stay smooth.
import { html, useLayoutEffect, useRef, useState } from "./ui.mjs";
import { Card } from "./card.mjs";
import { stepping, useKeys } from "./keys.mjs";
import { live } from "./live.mjs";
import { arranged, choices, fitting, laid, STEP } from "./order.mjs";
import { asSearch, follow, go } from "./route.mjs";
import { span } from "./time.mjs";
import { menus } from "./tools.mjs";
import { watch } from "./watch.mjs";

const FILTERS = { queue: "", agent: "", media_type: "", text: "" };
const ORDER_MS = 1000; // cards change places no more often than that
const READING_MS = 20000; // a pointer that rests for so long reads no more
const PAUSE_MS = 400; // of who types watch words
const main = () => document.getElementById("main");

export function Wall({ route }) {
  const chosen = { show: "", ...FILTERS };
  for (const name in chosen) chosen[name] = route.query.get(name) ?? "";
  const filtered = Object.keys(FILTERS).some((name) => chosen[name]);
  const set = (changes) => go("/" + asSearch({ ...chosen, ...changes }), { replace: true });
  const box = useRef(), moved = useRef(0);
  const { order, fresh, now, look, ...counts } = useOrder(chosen, box, moved);
  const { from, to, height, width, place } = laid(order.length, ...useSight(box));
  const toTop = () => { document.activeElement.blur(); main().scrollTop = moved.current = 0; look(true); };
  const step = stepping(box, "a");
  useKeys({ j: () => step(1), k: () => step(-1), w: () => document.getElementById("watch").focus(), Escape: toTop });

  return html`<section class="wall">
    <${Tools} chosen=${chosen} set=${set} ...${counts} />
    <ul class="cards" ref=${box} role="list" style=${{ height }} onPointerMove=${() => { moved.current = Date.now(); }}>
      ${order.slice(from, to).map((id, offset) => html`<${Card} key=${id} id=${id} now=${now} past=${chosen.show} style=${{ transform: place(from + offset), width }} />`)}
    </ul>
    ${!order.length && html`<div class="nobody" role="status">
      <h2>${live.state !== "open" ? "Connecting…" : filtered ? "No conversation fits." : chosen.show ? "Nothing has ended just now." : "Nobody is talking now."}</h2>
      <p class="quiet">${live.error ?? (live.pulse?.running ? "Calls appear here by themselves as soon as they begin." : "Search finds what was said before.")}</p>
      ${filtered && html`<button class="button" onClick=${() => set(FILTERS)}>Show all</button>`}</div>`}
    ${fresh > 0 && html`<button class="button waiting" onClick=${toTop}>↑ ${fresh} new</button>`}
    <p class="hidden" role="status">${watch.told}</p>
  </section>`;
}

let counted = 0; // cards; the menus come after the first ones, so that no task is long

// The order, anew each second, but not under the eyes of who reads.
function useOrder(chosen, box, moved) {
  const [known, set] = useState({ order: [], total: 0, options: choices([]) });
  useLayoutEffect(() => {
    const fits = fitting(chosen);
    let order = [];
    const look = (anyway) => {
      const now = Date.now(), next = arranged(live.cards, fits, order, box.current.children.length, now), there = new Set(order), cards = [...live.cards.values()];
      const held = order.length && !anyway && (main().scrollTop > STEP || box.current.matches(":focus-within") || now - moved.current < READING_MS);
      if (!held) order = next;
      set({ order, fresh: held && next.filter((id) => !there.has(id)).length, now, look, total: cards.filter(({ gone }) => !gone).length, options: choices(counted ? cards : []) });
      counted = cards.length;
    };
    look();
    const timer = setInterval(look, ORDER_MS);
    // A new one is shown at once.
    const stop = live.subscribe(() => live.cards.size > counted && look());
    return () => { clearInterval(timer); stop(); };
  }, [location.search]);
  return known;
}

// What is shown of it, and the words one waits for.
function Tools({ chosen, set, total, options }) {
  const [open, setOpen] = useState(false);
  const tab = (show, name) => html`<a href=${"/" + asSearch({ ...chosen, show })} onClick=${follow} aria-current=${chosen.show === show}>${name}</a>`;
  const menu = menus(chosen, set, options);
  const heed = ({ target, type }) => {
    watch.set(target.value, type === "input" ? PAUSE_MS : 0);
    set({}); // no longer those of the link
  };
  const lit = watch.lit(), late = live.pulse?.speech_s;
  return html`<header class="tools" onKeyDown=${(event) => { if (event.key === "Escape") { event.preventDefault(); event.target.blur(); } }}>
    <nav class="tabs" aria-label="Which conversations">${tab("", html`In progress <span class="number">${total}</span>`)}${tab("ended", "Just ended")}</nav>
    ${late != null && html`<p class="late quiet">Text arrives about ${span(late)} after it is spoken.</p>`}
    <button class="button more" aria-expanded=${open} onClick=${() => setOpen(!open)}>Filters</button>
    <div class=${"filters " + (open ? "open" : "")}>
      ${menu("queue", "Queue", "All queues")}${menu("agent", "Agent", "All agents")}${menu("media_type", "Medium", "All media")}
      <input type="search" class=${chosen.text && "on"} aria-label="Text or name" placeholder="Text or name" value=${chosen.text} onInput=${(event) => set({ text: event.target.value })} />
      <input type="search" class=${watch.text && "on"} aria-label="Watch words, with commas between: a card lights up as soon as one is said"
        placeholder="Watch words: cancel, refund" value=${watch.text} onInput=${heed} onChange=${heed} id="watch" />
      ${lit.length > 0 && html`<button class="button all" onClick=${() => watch.seen(...lit)}>${lit.length} lit · all seen</button>`}
    </div>
  </header>`;
}

// → [wide, top, bottom] of a box: its width, and which rows of it can be seen.
function useSight(box) {
  const [sight, set] = useState([0, 0, 0]);
  useLayoutEffect(() => {
    const look = () => {
      const { width, top } = box.current.getBoundingClientRect(), seen = main().getBoundingClientRect();
      const next = [width, Math.floor((seen.top - top) / STEP), Math.ceil((seen.bottom - top) / STEP)];
      if (String(next) !== String(sight)) set(next);
    };
    look();
    main().onscroll = window.onresize = look;
    return () => { main().onscroll = window.onresize = null; };
  });
  return sight;
}
