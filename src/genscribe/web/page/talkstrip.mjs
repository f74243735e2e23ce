// Who talks when, as a strip on a card: the agent above, the customer below, silence between.
import { html, useEffect, useState } from "./ui.mjs";
import { ask } from "./api.mjs";
import { live } from "./live.mjs";

const KEPT = 400; // conversations whose strips are kept
const AT_ONCE = 60; // as many as the server tells at once
const GATHER_MS = 120;
const SEEN_MS = 500; // a shorter word is drawn so long, to be seen
const SHORTEST_MS = 60000, LONGEST_MS = 600000; // of its time a strip shows so much: all of a short call, the last of a long one
const LANES = { agent: [1, 7], other: [8.5, 3], customer: [12, 7] };

class Talk {
  #known = new Map(); // id → { from, spans: [[start, length, lane]], paths, redraw }
  #wanted = new Set();
  #timer = 0;

  begin() {
    live.onEvents((events) => { for (const event of events) this.#add(event); });
    live.onReset(() => {
      for (const [id, one] of this.#known) if (one.redraw) this.#wanted.add(id); else this.#known.delete(id);
      this.#later();
    });
  }

  // Asks for a conversation's strip; `redraw` is called when there is more of it.
  watch(id, redraw) {
    let one = this.#known.get(id);
    if (!one) {
      one = { from: null, spans: [], paths: null };
      this.#known.set(id, one);
      this.#wanted.add(id);
      this.#later();
    }
    one.redraw = redraw;
    return () => { one.redraw = null; this.#wanted.delete(id); this.#trim(); };
  }

  paths(id) {
    const one = this.#known.get(id);
    return one && one.from != null ? { from: one.from, lanes: (one.paths ??= drawn(one.spans)) } : null;
  }

  #trim() {
    for (const [id, one] of this.#known) {
      if (this.#known.size <= KEPT) return;
      if (!one.redraw) this.#known.delete(id);
    }
  }

  #later() { this.#timer ||= setTimeout(() => { this.#timer = 0; this.#ask(); }, GATHER_MS); }

  async #ask() {
    const ids = [...this.#wanted].slice(0, AT_ONCE);
    if (!ids.length) return;
    for (const id of ids) this.#wanted.delete(id);
    if (this.#wanted.size) this.#later();
    try {
      const { head, talk } = await ask("talk", { id: ids });
      for (const id of ids) {
        const one = this.#known.get(id);
        if (!one || !talk[id]) continue;
        Object.assign(one, { from: Date.parse(talk[id].from ?? "") || null, spans: talk[id].spans, paths: null });
        one.head = head;
        for (const event of live.recent) if (event.conversation_id === id) this.#add(event);
        one.redraw?.();
      }
    } catch {
      // Without the past there is what is said from now on.
      for (const id of ids) { const one = this.#known.get(id); if (one) one.head ??= 0; }
    }
  }

  #add(line) {
    if (line.kind !== "utterance" || !line.is_final) return;
    const one = this.#known.get(line.conversation_id), at = Date.parse(line.spoken_at ?? "");
    if (!one || one.head == null || line.seq <= one.head || Number.isNaN(at)) return;
    one.from ??= at;
    const lane = line.speaker === "agent" || line.speaker === "customer" ? line.speaker : "other";
    one.spans.push([at - one.from, line.duration_ms || Math.min(60000, Math.max(300, 65 * line.text.length)), lane]);
    one.paths = null;
    one.redraw?.();
  }
}

// → a path a lane, in milliseconds along and 20 down.
function drawn(spans) {
  const paths = { agent: "", customer: "", other: "" };
  for (const [start, length, lane] of spans) {
    const [top, height] = LANES[lane] ?? LANES.other;
    paths[lane] += `M${start} ${top}h${Math.max(length, SEEN_MS)}v${height}H${start}z`;
  }
  return paths;
}

export const talk = new Talk();

export function TalkStrip({ id, began, until }) {
  const [, redraw] = useState(0);
  useEffect(() => talk.watch(id, () => redraw((count) => count + 1)), [id]);
  const known = talk.paths(id);
  const from = Math.max(Math.min(known?.from ?? until, began || Infinity), until - LONGEST_MS);
  const span = Math.max(SHORTEST_MS, until - from);
  return html`<svg class="talk" viewBox=${`${from - (known?.from ?? from)} 0 ${span} 20`} preserveAspectRatio="none" aria-hidden="true">
    ${known && ["agent", "other", "customer"].map((lane) => known.lanes[lane] && html`<path key=${lane} class=${lane} d=${known.lanes[lane]} />`)}
  </svg>`;
}
