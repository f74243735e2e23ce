// Finds words in what was said, whatever their case and accents.
const GLUED = /\p{Lo}/u; // scripts without case: most have words that stick together
const LETTER = /[\p{L}\p{N}]/u;

// → a text without case and accents, each character where it was.
const folded = (text) => text.replace(/[^\x00-\x7f]/gu, (one) => {
  const bare = one.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  return bare.length === one.length ? bare : one;
}).toLowerCase();

// → the words of a list with commas.
export const listed = (text) => text.split(/[,;]/).map((word) => word.trim()).filter(Boolean);

// → what finds these words where they begin a word ("cancel" finds "cancelled"); null where there are none.
export function finder(words) {
  const parts = words.map((word) => {
    const plain = folded(word.normalize()), first = String.fromCodePoint(plain.codePointAt(0));
    const begin = LETTER.test(first) && !GLUED.test(first) ? "(?<![\\p{L}\\p{N}])" : "";
    return begin + plain.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\s+/g, "\\s+");
  });
  return parts.length ? new RegExp(parts.join("|"), "gu") : null;
}

export const finds = (found, text) => folded(text.normalize()).search(found) >= 0;

// → [[text, whether it was found], …], as the snippets of a search; what is found is marked to its word's end.
export function marked(text, found) {
  if (!found) return [[text, false]];
  const whole = text.normalize(), plain = folded(whole), pieces = [];
  let done = 0;
  const take = (to, hit) => { if (to > done) pieces.push([whole.slice(done, done = to), hit]); };
  for (const { 0: { length }, index } of plain.matchAll(found)) {
    let end = index + length;
    while (LETTER.test(plain[end - 1]) && LETTER.test(plain[end] ?? "") && !GLUED.test(plain[end])) end += 1;
    take(index, false);
    take(end, true);
  }
  take(plain.length, false);
  return pieces;
}
