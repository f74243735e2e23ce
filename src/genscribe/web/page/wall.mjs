// The live wall: who is talking now and what they say. Only what can be seen is drawn, so thousands stay smooth.
import { html, useCallback, useEffect, useLayoutEffect, useRef, useState } from "./ui.mjs";
import { Card, people } from "./card.mjs";
import { useKeys } from "./keys.mjs";
import { live, talking, useLive } from "./live.mjs";
import { arranged, byEnd, choices, fitting, settled } from "./order.mjs";
import { go } from "./route.mjs";
import { useNow } from "./time.mjs";
import { Tools } from "./tools.mjs";
import { CARD, laid, place, useSight } from "./virtual.mjs";
import { watch } from "./watch.mjs";

const CHOSEN = ["show", "watch", "queue", "agent", "media_type", "text"];
const ORDER_MS = 1000; // cards change places no more often than that
const READING_MS = 20000; // a pointer that rests for so long reads no more
const scroller = () => document.getElementById("main");

export function Wall({ route }) {
  const chosen = Object.fromEntries(CHOSEN.map((name) => [name, route.query.get(name) ?? ""]));
  const set = (changes) => {
    const query = new URLSearchParams(route.query);
    for (const [name, value] of Object.entries(changes)) { if (value) query.set(name, value); else query.delete(name); }
    go("/" + (query.size ? "?" + query : ""), { replace: true });
  };
  const box = useRef(null), reading = useRef(0), words = useRef(null), size = useRef(0);
  const { order, total, ended, options, waiting, release } = useOrder(chosen, reading, size);
  const hear = useHearers();
  const now = useNow(1000);
  const sight = useSight(box, scroller);
  const where = laid(order.length, sight.wide, sight.top, sight.bottom);
  const shown = order.slice(where.from, where.to);
  size.current = where.to - where.from;
  useMoves(box, shown, where);
  const read = () => { reading.current = Date.now(); };
  const toTop = () => { reading.current = 0; scroller().scrollTop = 0; release(); };
  const step = useSteps(box, order, where);
  useKeys({ j: () => { read(); step(1); }, k: () => { read(); step(-1); }, w: () => words.current?.focus(),
    Escape: () => { document.activeElement?.blur(); toTop(); } });

  return html`<section class="wall" aria-label="Live">
    <${Tools} chosen=${chosen} set=${set} total=${total} ended=${ended} options=${options} words=${words} />
    <ul class="cards" ref=${box} role="list" style=${{ height: where.height + "px" }} aria-label=${chosen.show === "ended" ? "Just ended" : "In progress"}
      onPointerMove=${read} onPointerLeave=${() => { reading.current = 0; }} onFocusIn=${read}>
      ${shown.map((id, offset) => {
        const [left, top] = place(where.from + offset, where);
        return html`<${Card} key=${id} id=${id} now=${now} index=${where.from + offset} count=${order.length} left=${left} top=${top} width=${where.width} hear=${hear} />`;
      })}
    </ul>
    ${!order.length && html`<${Empty} chosen=${chosen} total=${chosen.show === "ended" ? ended : total} clear=${() => set({ queue: "", agent: "", media_type: "", text: "" })} />`}
    ${waiting && html`<button class="waiting" onClick=${toTop}>↑ ${waiting}</button>`}
    <${Heard} />
  </section>`;
}

// The order, made anew at most once a second, and not under the eyes of somebody who reads.
function useOrder(chosen, reading, size) {
  const [known, set] = useState({ order: [], total: 0, ended: 0, options: choices([]), waiting: "" });
  const release = useRef(() => {});
  const asked = JSON.stringify(chosen);
  useEffect(() => {
    const fits = fitting(chosen), past = chosen.show === "ended";
    let timer = 0, last = 0, order = [], held = false, offered = 0, options = choices([]);
    const look = (anyway = false) => {
      clearTimeout(timer);
      timer = 0;
      last = Date.now();
      const next = past ? byEnd(live.ended.values(), fits) : arranged(present(), fits, watch.lit, last);
      held = !anyway && order.length > 0 && (scroller().scrollTop > CARD.height || last - reading.current < READING_MS);
      let waiting = "";
      if (held) waiting = news(order, next);
      else {
        const calm = past ? next : settled(order, next, size.current, watch.lit, (id) => talking(live.card(id), last));
        order = same(order, calm) ? order : calm;
      }
      if (last - offered > 3000) { offered = last; options = choices([...live.cards.values(), ...live.ended.values()]); }
      let total = 0;
      for (const card of live.cards.values()) if (!card.ended_at) total += 1;
      set((before) => (before.order === order && before.total === total && before.ended === live.ended.size && before.waiting === waiting && before.options === options
        ? before : { order, total, ended: live.ended.size, options, waiting }));
      // Places change with the time as well: who falls silent makes room.
      if (order.length || held) timer = setTimeout(look, 2 * ORDER_MS);
    };
    const soon = () => {
      const due = Math.max(0, last + ORDER_MS - Date.now());
      clearTimeout(timer);
      timer = setTimeout(look, due);
    };
    let waits = false, head = live.head;
    const later = () => {
      // What has just been loaded is shown at once.
      if (live.head !== head) { head = live.head; look(); return; }
      if (!waits) { waits = true; soon(); setTimeout(() => { waits = false; }, ORDER_MS); }
    };
    release.current = () => look(true);
    look(true);
    const stop = [live.subscribe(later), watch.subscribe(later)];
    return () => { clearTimeout(timer); for (const one of stop) one(); };
  }, [asked]);
  return { ...known, release: () => release.current() };
}

// What is in progress, and what ended but was lit and nobody has looked.
function* present() {
  yield* live.cards.values();
  for (const id of watch.lit.keys()) if (live.ended.has(id)) yield live.ended.get(id);
}

const same = (one, other) => one.length === other.length && one.every((id, index) => id === other[index]);

// → what came while the order was held.
function news(order, next) {
  const there = new Set(order);
  const fresh = next.filter((id) => !there.has(id)).length, lit = watch.lit.size;
  return [lit && `${lit} lit`, fresh && `${fresh} new`].filter(Boolean).join(", ");
}

// → hear(id, fn): tells a card that it changed.
function useHearers() {
  const hearers = useRef(new Map());
  useEffect(() => {
    const tell = (ids) => { for (const id of ids) hearers.current.get(id)?.(); };
    const stop = [live.subscribe(tell), watch.subscribe(tell)];
    return () => { for (const one of stop) one(); };
  }, []);
  return useCallback((id, fn) => {
    hearers.current.set(id, fn);
    return () => { if (hearers.current.get(id) === fn) hearers.current.delete(id); };
  }, []);
}

// Cards glide to new places, so that eyes can follow.
function useMoves(box, shown, where) {
  const before = useRef({ places: new Map(), width: 0, from: 0 });
  useLayoutEffect(() => {
    const places = new Map(shown.map((id, offset) => [id, place(where.from + offset, where)]));
    const { places: old, width, from } = before.current;
    before.current = { places, width: where.width, from: where.from };
    // Not while one scrolls.
    if (width !== where.width || from !== where.from || !old.size || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    for (const element of box.current.children) {
      const was = old.get(element.dataset.id), is = places.get(element.dataset.id);
      if (!was || !is) element.animate([{ opacity: 0 }, {}], 320);
      else if (was[0] !== is[0] || was[1] !== is[1]) {
        element.animate([{ transform: `translate(${was[0]}px,${was[1]}px)` }, { transform: `translate(${is[0]}px,${is[1]}px)` }], { duration: 320, easing: "cubic-bezier(.2,.7,.2,1)" });
      }
    }
  }, [shown.join("\n"), where.width]);
}

// → step(by): moves the focus from card to card, also to one that is not drawn yet.
function useSteps(box, order, where) {
  const aim = useRef(null);
  const focus = () => {
    const link = aim.current && box.current.querySelector(`[data-id="${CSS.escape(aim.current)}"] .open`);
    if (link) { aim.current = null; link.focus(); link.scrollIntoView({ block: "nearest" }); }
  };
  useLayoutEffect(focus);
  return (by) => {
    const here = order.indexOf(document.activeElement?.closest?.(".card")?.dataset.id);
    const index = here < 0 ? (by > 0 ? 0 : order.length - 1) : Math.min(Math.max(here + by, 0), order.length - 1);
    if (index < 0) return;
    aim.current = order[index];
    focus();
    if (!aim.current) return;
    const within = scroller();
    within.scrollTop += box.current.getBoundingClientRect().top - within.getBoundingClientRect().top + place(index, where)[1] - within.clientHeight / 3;
  };
}

function Empty({ chosen, total, clear }) {
  const [state, pulse, error] = [useLive(() => live.state), useLive(() => live.pulse), useLive(() => live.error)];
  const filtered = ["queue", "agent", "media_type", "text"].some((name) => chosen[name]);
  const [head, more] = filtered && total ? ["No conversation fits.", ""]
    : state === "lost" ? ["This page lost its server, trying again.", error ?? "It may have been stopped, or the way to it is broken."]
    : state === "starting" ? ["Connecting…", ""]
    : chosen.show === "ended" ? ["Nothing has ended just now.", "Search finds all that was said before."]
    : pulse && !pulse.running ? ["Nothing is being recorded now.", "This page shows what was stored; search finds it."]
    : ["Nobody is talking now.", "Calls appear here by themselves as soon as they begin."];
  return html`<div class="nobody" role="status"><h2>${head}</h2>${more && html`<p class="quiet">${more}</p>`}
    ${filtered && html`<button onClick=${clear}>Show all</button>`}</div>`;
}

// Tells screen readers of lit cards, and of nothing else: all other speech would never end.
function Heard() {
  const [words, set] = useState("");
  useEffect(() => watch.subscribe((ids) => {
    const id = ids.findLast((one) => watch.lit.has(one));
    if (id) set(`“${watch.lit.get(id).said}” was said: ${people(live.card(id) ?? { agents: [] }).at(-1) ?? "no agent yet"}`);
  }), []);
  return html`<p class="hidden" role="status">${words}</p>`;
}
