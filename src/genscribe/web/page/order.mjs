// Which cards are on the wall and in which order, as pure functions.

// What is looked for in a card; `chosen` has queue, agent, media_type and text.
export function fits(card, chosen) {
  if (chosen.queue && card.queue_id !== chosen.queue && card.queue_name !== chosen.queue) return false;
  if (chosen.agent && !card.agents.some((one) => one.id === chosen.agent || one.name === chosen.agent)) return false;
  if (chosen.media_type && card.media_type !== chosen.media_type) return false;
  if (!chosen.text) return true;
  const hay = [card.id, card.queue_name, card.last?.text, ...card.agents.map((one) => one.name)].join("\n").toLowerCase();
  return hay.includes(chosen.text.toLowerCase());
}

// Newest speech first; those that light up before all others.
export function arranged(cards, chosen, lit) {
  const found = [];
  for (const card of cards.values()) if (fits(card, chosen)) found.push(card);
  found.sort((one, other) => (lit.has(other.id) - lit.has(one.id)) || other.touched - one.touched || (one.id < other.id ? -1 : 1));
  return found.map((card) => card.id);
}

// Keeps the order that is being read: what is new comes first, what is gone goes, nothing else moves.
export function kept(before, wanted) {
  const known = new Set(before), still = new Set(wanted);
  return [...wanted.filter((id) => !known.has(id)), ...before.filter((id) => still.has(id))];
}

// "cancel, give up" → a pattern that finds them at the beginning of words; null without any.
export function watched(text) {
  const words = text.split(",").map((word) => word.trim()).filter(Boolean);
  if (!words.length) return null;
  const escaped = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\s+/g, "\\s+"));
  return new RegExp(`(?<![\\p{L}\\p{N}])(?:${escaped.join("|")})[\\p{L}\\p{N}]*`, "giu");
}

// A text as [piece, found] pairs.
export function marked(text, pattern) {
  if (!pattern) return [[text, false]];
  const pieces = [];
  let at = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > at) pieces.push([text.slice(at, match.index), false]);
    pieces.push([match[0], true]);
    at = match.index + match[0].length;
  }
  if (at < text.length || !pieces.length) pieces.push([text.slice(at), false]);
  return pieces;
}
