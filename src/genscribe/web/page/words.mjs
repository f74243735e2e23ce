// Finds words in what was said, whatever their case and accents.
const GLUED = /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}]/u; // no spaces between words
const LETTER = /[\p{L}\p{N}]/u;
const PLAIN = /^[\x00-\x7f]*$/;

const bare = (character) => character.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
const folded = (text) => (PLAIN.test(text) ? text : text.replace(/[^\x00-\x7f]/gu, bare)).toLowerCase();

// → { plain, at }: the text without case and accents, and where each of its characters stands (null: at the same place).
function fold(text) {
  if (PLAIN.test(text)) return { plain: text.toLowerCase(), at: null };
  let plain = "", place = 0;
  const at = [];
  for (const character of text) {
    const one = character < "\x80" ? character.toLowerCase() : bare(character);
    for (let count = 0; count < one.length; count += 1) at.push(place);
    plain += one;
    place += character.length;
  }
  at.push(place);
  return { plain, at };
}

// → the words of a list with commas, each once.
export const listed = (text) => [...new Set((text ?? "").split(/[,;\n]/).map((word) => word.trim().replace(/\s+/g, " ")).filter(Boolean))].slice(0, 50);

// → what finds these words where they begin a word ("cancel" finds "cancelled"); null where there are none.
export function finder(words) {
  const parts = words.map((word) => {
    const plain = folded(word);
    const safe = plain.replace(/[.*+?^${}()|[\]\\\/-]/g, "\\$&").replace(/ /g, "\\s+");
    return /^[\p{L}\p{N}]/u.test(plain) && !GLUED.test(plain[0]) ? "(?<![\\p{L}\\p{N}])" + safe : safe;
  }).filter(Boolean);
  return parts.length ? new RegExp(parts.join("|"), "gu") : null;
}

export const finds = (found, text) => { found.lastIndex = 0; return found.test(folded(text)); };

// → [[text, whether it was found], …], as the snippets of a search.
export function marked(text, found) {
  if (!found) return [[text, false]];
  const { plain, at } = fold(text), pieces = [];
  found.lastIndex = 0;
  let done = 0;
  for (const match of plain.matchAll(found)) {
    let end = match.index + match[0].length;
    while (LETTER.test(plain[end - 1]) && LETTER.test(plain[end] ?? "") && !GLUED.test(plain[end])) end += 1;
    const from = at ? at[match.index] : match.index, to = at ? at[end] : end;
    if (from < done || to <= from) continue;
    if (from > done) pieces.push([text.slice(done, from), false]);
    pieces.push([text.slice(from, to), true]);
    done = to;
  }
  if (done < text.length) pieces.push([text.slice(done), false]);
  return pieces;
}
