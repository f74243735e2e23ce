// Watch words: whoever says one lights his card until somebody has looked.
import { live } from "./live.mjs";
import { read } from "./route.mjs";
import { finder, finds, listed, marked } from "./words.mjs";

const KEY = "genscribe.watch";

class Watch {
  text = "";
  found = null;
  lit = new Map(); // id → { key, at, said }: the line that was heard last, the word in it
  #hearers = new Set();

  // Words in a link count before those that this browser knows.
  begin() {
    let text = read().query.get("watch");
    try { text ??= localStorage.getItem(KEY); } catch { /* not allowed here */ }
    this.set(text ?? "");
    live.onEvents((events) => this.#hear(events));
  }

  set(text) {
    this.text = text;
    this.found = finder(listed(text));
    try { localStorage.setItem(KEY, text); } catch { /* not kept then */ }
    this.#told();
  }

  subscribe(fn) { this.#hearers.add(fn); return () => this.#hearers.delete(fn); }

  seen(id) { if (this.lit.delete(id)) this.#told([id]); }
  allSeen() { const ids = [...this.lit.keys()]; this.lit.clear(); this.#told(ids); }

  #hear(events) {
    if (!this.found) return;
    const open = read().id, ids = [];
    for (const line of events) {
      const id = line.conversation_id;
      if (line.kind !== "utterance" || line.seq <= live.head || id === open || !finds(this.found, line.text)) continue;
      const said = marked(line.text, this.found).find(([, hit]) => hit)?.[0] ?? "";
      this.lit.delete(id);
      this.lit.set(id, { key: line.key, at: line.spoken_at ?? line.received_at, said, since: Date.now() });
      ids.push(id);
    }
    if (ids.length) this.#told(ids);
  }

  #told(ids = []) { for (const fn of this.#hearers) fn(ids); }
}

export const watch = new Watch();
