// Which conversations the wall shows, and in which order. Pure.
import { talking } from "./live.mjs";
import { finder, finds, listed } from "./words.mjs";

// → what tells whether a card fits what is chosen; a line that fitted the text once keeps its card.
export function fitting({ queue, agent, media_type: type, text }) {
  const found = finder(listed(text)), kept = new Set(), refused = new WeakMap();
  return (card) => {
    if (queue && card.queue_id !== queue) return false;
    if (agent && !card.agents.some((one) => one.id === agent)) return false;
    if (type && card.media_type !== type) return false;
    if (!found || kept.has(card.id)) return true;
    if (card.last && refused.get(card.last) === card.agents) return false;
    const words = [card.last?.text, card.queue_name, ...card.agents.map((one) => one.name)];
    if (!words.some((one) => one && finds(found, one))) {
      if (card.last) refused.set(card.last, card.agents);
      return false;
    }
    kept.add(card.id);
    return true;
  };
}

// → the ids of those that fit: lit ones first, then those where somebody talks now, who began to talk last before the
// others (so a card keeps its place while it is talked in), then by the last line, newest first.
export function arranged(cards, fits, lit, now) {
  const found = [];
  for (const card of cards) {
    if (!fits(card)) continue;
    const rank = lit.has(card.id) ? 4e13 + (Date.parse(lit.get(card.id).at ?? "") || 0) : talking(card, now) ? 2e13 + card.since : card.touched;
    found.push([rank, card.id]);
  }
  return found.sort((one, other) => other[0] - one[0]).map(([, id]) => id);
}

// Where there are more than fit on a screen: those on it keep their places while `stays(id)`, and who falls silent makes
// room for the newest. Lit ones stand before all.
export function settled(before, next, size, lit, stays) {
  if (next.length <= size) return next;
  const there = new Set(next), lead = next.filter((id) => lit.has(id));
  const places = before.filter((id) => !lit.has(id)).slice(0, Math.max(0, size - lead.length));
  const kept = new Set(places.filter((id) => there.has(id) && stays(id)));
  const others = next.filter((id) => !lit.has(id) && !kept.has(id));
  let taken = 0;
  const first = places.map((id) => (kept.has(id) ? id : others[taken++]));
  return [...lead, ...first, ...others.slice(taken)].filter(Boolean);
}

export const byEnd = (cards, fits) => [...cards].filter(fits).map((card) => card.id).reverse();

// → what can be chosen: { queue, agent, media_type }, each [[id, name], …] by name.
export function choices(cards) {
  const queues = new Map(), agents = new Map(), types = new Map();
  for (const card of cards) {
    if (card.queue_id) queues.set(card.queue_id, card.queue_name ?? queues.get(card.queue_id) ?? card.queue_id);
    for (const one of card.agents) if (one.id) agents.set(one.id, one.name ?? agents.get(one.id) ?? one.id);
    if (card.media_type) types.set(card.media_type, card.media_type);
  }
  const sorted = (names) => [...names].sort((one, other) => (one[1] < other[1] ? -1 : 1)).slice(0, 500);
  return { queue: sorted(queues), agent: sorted(agents), media_type: sorted(types) };
}
