// Who spoke when, for the cards in view: what was said before from the server, what comes from the stream.
import { html } from "./ui.mjs";
import { ask } from "./api.mjs";
import { lane, length, lineTime } from "./dialogue.mjs";
import { live } from "./live.mjs";

const AT_ONCE = 60;
const spans = new Map(); // id → { list: [[start, length, who]], keys: Set, loaded }
const wanted = new Set();
let timer = 0;

function of(id) {
  let found = spans.get(id);
  if (!found) spans.set(id, (found = { list: [], keys: new Set(), asked: false, from: Infinity }));
  return found;
}

// Asks for what was said in these calls, once for each.
export function want(ids) {
  for (const id of ids) {
    const found = of(id);
    if (!found.asked) { found.asked = true; wanted.add(id); }
  }
  if (wanted.size) timer ||= setTimeout(load, 30);
}

async function load() {
  timer = 0;
  const ids = [...wanted].slice(0, AT_ONCE);
  for (const id of ids) wanted.delete(id);
  if (wanted.size) timer = setTimeout(load, 30);
  try {
    const { talk } = await ask("talk", { id: ids });
    for (const [id, { from, spans: list }] of Object.entries(talk)) {
      const found = of(id), start = Date.parse(from), newest = found.list[0]?.[0] ?? Infinity;
      // What came by the stream meanwhile is not drawn twice.
      const before = list.map(([at, ms, who]) => [start + at, ms, who]).filter(([at]) => at < newest);
      found.list = [...before, ...found.list];
      if (list.length) found.from = Math.min(found.from, start);
    }
    live.redraw(Object.keys(talk));
  } catch { /* the strip stays empty until something is said */ }
}

export function hear(events) {
  for (const event of events) {
    if (event.kind !== "utterance" || event.conversation_id == null) continue;
    const found = spans.get(event.conversation_id), time = lineTime(event);
    if (!found || Number.isNaN(time) || found.keys.has(event.key)) continue;
    found.keys.add(event.key);
    found.list.push([time, length(event), lane(event)]);
    found.from = Math.min(found.from, time);
  }
}

export const forget = (id) => spans.delete(id);
live.onReset(() => spans.clear());

const WIDTH = 300;

// The strip of a card: agent above, customer below.
export function TalkStrip({ id, start, now }) {
  const found = spans.get(id);
  const from = Math.min(Number.isNaN(start) ? Infinity : start, found?.from ?? Infinity);
  if (!found?.list.length || from === Infinity) return html`<svg class="strip" viewBox="0 0 ${WIDTH} 18" aria-hidden="true"><line x1="0" x2=${WIDTH} y1="9" y2="9" /></svg>`;
  const scale = WIDTH / Math.max(now - from, 10000);
  const paths = { agent: "", customer: "", other: "" };
  for (const [at, ms, who] of found.list) {
    paths[who] += `M${((at - from) * scale).toFixed(1)} ${who === "agent" ? 1 : who === "customer" ? 10 : 7}h${Math.max(ms * scale, 1).toFixed(1)}v${who === "other" ? 4 : 7}H${((at - from) * scale).toFixed(1)}z`;
  }
  return html`<svg class="strip" viewBox="0 0 ${WIDTH} 18" preserveAspectRatio="none" aria-hidden="true"><line x1="0" x2=${WIDTH} y1="9" y2="9" />
    ${Object.entries(paths).map(([who, d]) => d && html`<path key=${who} class=${who} d=${d} />`)}</svg>`;
}
