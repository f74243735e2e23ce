// Watch words: whoever says one lights his card until somebody has looked.
import { live } from "./live.mjs";
import { read } from "./route.mjs";
import { clock } from "./time.mjs";
import { finder, listed, marked } from "./words.mjs";

let timer = 0;

export const watch = {
  text: "",
  found: null,
  told: "", // of the last one, for screen readers

  // Counts after a pause: half a word would light everything.
  set(text, pauseMs) {
    watch.text = text;
    clearTimeout(timer);
    timer = setTimeout(() => { watch.found = finder(listed(text)); }, pauseMs);
    try { if (pauseMs) localStorage.watch = text; } catch { /* not allowed here */ }
  },
  lit: () => [...live.cards.values()].filter((card) => card.lit).map((card) => card.id),
  seen(...ids) {
    for (const id of ids) Object.assign(live.cards.get(id) ?? {}, { lit: null });
    live.redraw(...ids);
  },
};

live.onEvents((lines) => {
  for (const { kind, seq, key, conversation_id: id, text, spoken_at } of lines) {
    if (kind !== "utterance" || seq <= live.head || id === read().id) continue;
    const card = live.cards.get(id), said = marked(text, watch.found).find(([, hit]) => hit)?.[0];
    if (!said || !card) continue;
    card.lit = { key, said, at: Date.parse(spoken_at) || Date.now() };
    watch.told = `“${said}” was said at ${clock(card.lit.at)}: ${card.agents.at(-1)?.name ?? "no agent"}`;
  }
});

let known;
try { known = localStorage.watch; } catch { /* not allowed here */ }
// Words in a link count before those that this browser knows.
watch.set(read().query.get("watch") ?? known ?? "");
