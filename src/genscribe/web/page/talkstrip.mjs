// Who talks when, as a strip on a card: the agent above, the customer below, silence between.
import { html } from "./ui.mjs";
import { ask } from "./api.mjs";
import { lane, length } from "./dialogue.mjs";
import { live } from "./live.mjs";

const AT_ONCE = 60, GATHER_MS = 120, AGAIN_MS = 5000; // so many the server tells at once
const SEEN_MS = 500; // a shorter word is drawn so long, to be seen
const SHORTEST_MS = 60000, LONGEST_MS = 600000; // a strip shows all of a short call, the last of a long one
const LANES = { agent: [1, 7], other: [8.5, 3], customer: [12, 7] };
const wanted = new Set();

function want(id) {
  if (!wanted.size) setTimeout(load, GATHER_MS);
  wanted.add(id);
}

async function load() {
  const ids = [...wanted].slice(0, AT_ONCE);
  for (const id of ids) wanted.delete(id);
  if (wanted.size) setTimeout(load, GATHER_MS);
  try {
    const { head, talk } = await ask("talk", { id: ids });
    for (const [id, { from, spans }] of Object.entries(talk)) Object.assign(live.cards.get(id)?.talk ?? {}, { head, from: Date.parse(from), paths: drawn(spans) });
    live.recent.forEach(add);
    live.redraw(...ids);
  } catch {
    setTimeout(() => ids.forEach(want), AGAIN_MS);
  }
}

function add(line) {
  const talk = live.cards.get(line.conversation_id)?.talk, at = Date.parse(line.spoken_at);
  if (!(line.is_final && at && line.seq > talk?.head)) return;
  talk.head = line.seq;
  talk.from ||= at;
  drawn([[at - talk.from, length(line), lane(line)]], talk.paths);
}

live.onEvents((events) => events.forEach(add));

// → a path a lane, in milliseconds along and 20 down; `paths` get longer.
export function drawn(spans, paths = { agent: "", other: "", customer: "" }) {
  for (const [start, length, lane] of spans) {
    const [top, height] = LANES[lane];
    paths[lane] += `M${start} ${top}h${Math.max(length, SEEN_MS)}v${height}H${start}z`;
  }
  return paths;
}

// Of a card, up to a time; its past is asked for when it is first drawn.
export function TalkStrip({ card, until }) {
  if (!card.talk) { card.talk = {}; want(card.id); }
  const zero = card.talk.from || until, from = Math.max(Date.parse(card.started_at) || zero, until - LONGEST_MS);
  return html`<svg class="talk" viewBox=${`${from - zero} 0 ${Math.max(SHORTEST_MS, until - from)} 20`} preserveAspectRatio="none">
    ${Object.entries(card.talk.paths ?? {}).map(([lane, path]) => html`<path key=${lane} class=${lane} d=${path} />`)}
  </svg>`;
}
