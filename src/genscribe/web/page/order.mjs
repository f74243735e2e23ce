// Which conversations the wall shows, in which order and where. Pure.
import { talking } from "./live.mjs";
import { finder, finds, listed } from "./words.mjs";

const FADE_MS = 10000; // who ended stays among those in progress so long, and while lit
const WIDTH = 300, GAP = 12; // pixels
export const STEP = 142 + GAP; // from row to row

// → what tells whether a card fits what is chosen; a line that fitted the text once keeps its card.
export function fitting({ show, queue, agent, media_type: type, text }) {
  const found = finder(listed(text)), kept = new Set();
  return (card, now) => {
    if (show ? !card.gone : card.gone && !card.lit && now - card.gone > FADE_MS) return false;
    const without = (wanted, all) => wanted && !all.some(({ id }) => id === wanted);
    if (without(queue, card.queues) || without(agent, card.agents) || (type && card.media_type !== type)) return false;
    const fits = !found || kept.has(card.id) || finds(found, [card.last?.text, ...[...card.queues, ...card.agents].map(({ name }) => name)].join("\n"));
    if (fits) kept.add(card.id);
    return fits;
  };
}

// → the ids of those that fit: lit ones first, then the newest speech (or end). Of the `size` that were on the screen
// before, those where somebody talks keep their places, and who falls silent makes room for the newest.
export function arranged(cards, fits, before, size, now) {
  const rank = ({ lit, gone, touched }) => (lit ? 4e13 + lit.at : gone ?? touched);
  const next = [...cards.values()].filter((card) => fits(card, now)).sort((one, other) => rank(other) - rank(one)).map(({ id }) => id);
  const lit = (id) => cards.get(id)?.lit, lead = next.filter(lit);
  const screen = before.filter((id) => !lit(id)).slice(0, Math.max(0, size - lead.length));
  const kept = new Set(screen.filter((id) => cards.has(id) && talking(cards.get(id), now)));
  const others = next.filter((id) => !lit(id) && !kept.has(id));
  return [...lead, ...screen.map((id) => (kept.has(id) ? id : others.shift())), ...others].filter(Boolean);
}

// → what can be chosen: { queue, agent, media_type }.
export const choices = (cards) => ({
  queue: named(cards.flatMap((card) => card.queues)),
  agent: named(cards.flatMap((card) => card.agents)),
  media_type: named(cards.map((card) => ({ id: card.media_type }))),
});

// → [[id, name], …] by name, each once.
export const named = (all) => [...new Map(all.filter(({ id }) => id).map(({ id, name }) => [id, name ?? id]))].sort((one, other) => (one[1] < other[1] ? -1 : 1));

// → of `count` cards in a box so wide, seen from row `top` to `bottom`: which to draw, how large, and where.
export function laid(count, wide, top, bottom) {
  const columns = Math.max(1, Math.floor((wide + GAP) / (WIDTH + GAP))), width = (wide + GAP) / columns - GAP, rows = Math.ceil(count / columns);
  const place = (index) => `translate(${(index % columns) * (width + GAP)}px,${Math.floor(index / columns) * STEP}px)`;
  // A row more above and below.
  return { width: width + "px", height: rows * STEP + "px", place, from: columns * Math.max(0, Math.min(top, rows) - 1), to: Math.min(count, columns * (bottom + 1)) };
}
