// A conversation on the wall.
import { html, useEffect, useState } from "./ui.mjs";
import { lane } from "./dialogue.mjs";
import { live, talking } from "./live.mjs";
import { mediaName, speakerName } from "./names.mjs";
import { conversationUrl, follow } from "./route.mjs";
import { TalkStrip } from "./talkstrip.mjs";
import { clock, duration } from "./time.mjs";
import { watch } from "./watch.mjs";
import { marked } from "./words.mjs";

const HANDSET = "M5 2.5h2.5l1.2 3-1.6 1.2a8 8 0 0 0 4.2 4.2l1.2-1.6 3 1.2v2.5a1.5 1.5 0 0 1-1.6 1.5A11.4 11.4 0 0 1 3.5 4.1 1.5 1.5 0 0 1 5 2.5z";
const BUBBLE = "M3 3.5h12v8.5H8l-3.5 3v-3H3z";
const ICONS = { voice: HANDSET, callback: HANDSET, video: "M2 4.5h9v9H2zM11 8l5-2.5v7L11 10" };

export function Card({ id, now, past, style }) {
  const [, redraw] = useState();
  useEffect(() => live.subscribe((ids) => ids.has(id) && redraw({})), [id]);
  const card = live.cards.get(id);
  if (!card) return null;
  const { gone, lit, last, media_type: type } = card, until = gone ?? now, began = Date.parse(card.started_at ?? card.first_spoken_at);
  const names = card.agents.map(({ name }) => name).filter(Boolean).reverse().slice(0, 2).join(" from ");
  const kinds = ["card", lit && "lit", talking(card, now) && "talking", gone && !past && "ending"].filter(Boolean).join(" ");
  return html`<li class=${kinds} data-id=${id} style=${style}>
    <a href=${conversationUrl(id, { line: lit?.key })} onClick=${follow}>
      <svg class="medium" viewBox="0 0 18 18"><path d=${ICONS[type] ?? BUBBLE} /></svg>
      <bdi class=${names ? "who" : "quiet"}>${names || (card.agents.length ? "Agent" : "No agent yet")}</bdi>
      <span class="number quiet">${began ? duration(until - began) : ""}</span>
      <span class="queue quiet"><span class="hidden">${mediaName(type)} </span><bdi>${card.queues.at(-1)?.name ?? mediaName(type)}</bdi>${gone && ` · ended ${clock(gone)}`}</span>
      <span class=${last ? `last ${lane(last)} ${last.is_final ? "" : "interim"}` : "last quiet"}>${last ? html`<span class="speaker">${speakerName(last)} </span><span class="speech" dir="auto">${
        marked(last.text.slice(0, 240), watch.found).map(([piece, hit]) => (hit ? html`<mark>${piece}</mark>` : piece))}</span>` : "Nothing has been said yet."}</span>
      <${TalkStrip} card=${card} until=${until} />
    </a>
    ${lit && html`<button class="said" onClick=${() => watch.seen(id)} title="I have seen it"><b><bdi>${lit.said}</bdi></b> <span class="number">${clock(lit.at)}</span> ✓</button>`}
  </li>`;
}
