// A conversation on the wall.
import { html, useEffect, useRef, useState } from "./ui.mjs";
import { live, talking } from "./live.mjs";
import { mediaName, speakerName } from "./names.mjs";
import { conversationUrl, follow } from "./route.mjs";
import { TalkStrip } from "./talkstrip.mjs";
import { ago, clock, duration } from "./time.mjs";
import { watch } from "./watch.mjs";
import { marked } from "./words.mjs";

const FLASH = [{ boxShadow: "0 0 0 8px var(--hit)" }, { boxShadow: "0 0 0 0 transparent" }];
const LONGEST = 240; // characters of a line: no card has room for more
const HANDSET = "M5 2.5h2.5l1.2 3-1.6 1.2a8 8 0 0 0 4.2 4.2l1.2-1.6 3 1.2v2.5a1.5 1.5 0 0 1-1.6 1.5A11.4 11.4 0 0 1 3.5 4.1 1.5 1.5 0 0 1 5 2.5z";
const BUBBLE = "M3 3.5h12v8.5H8l-3.5 3v-3H3z";
const ICONS = { voice: HANDSET, callback: HANDSET, chat: BUBBLE, message: BUBBLE, email: "M2.5 4h13v10h-13zM2.5 5l6.5 5 6.5-5", video: "M2 4.5h9v9H2zM11 8l5-2.5v7L11 10" };

export const people = (card) => card.agents.map((one) => one.name).filter(Boolean);

// `hear(id, fn)`: calls fn when the card says something else.
export function Card({ id, now, index, count, left, top, width, hear }) {
  const [, redraw] = useState(0);
  useEffect(() => hear(id, () => redraw((times) => times + 1)), [id]);
  const box = useRef(null), lit = watch.lit.get(id);
  useEffect(() => {
    if (lit && Date.now() - lit.since < 1000 && !matchMedia("(prefers-reduced-motion: reduce)").matches) box.current?.querySelector(".open").animate(FLASH, 600);
  }, [lit?.key]);
  const card = live.card(id);
  if (!card) return null;
  const began = Date.parse(card.started_at ?? card.first_spoken_at ?? "");
  const ended = card.ended_at ? Date.parse(card.ended_at) : live.cards.has(id) ? NaN : card.touched;
  const until = Number.isNaN(ended) ? now : ended;
  const kinds = ["card", lit && "lit", talking(card, now) && "talking", card.ended_at && live.cards.has(id) && "ending"].filter(Boolean).join(" ");
  return html`<li ref=${box} class=${kinds} data-id=${id} aria-setsize=${count} aria-posinset=${index + 1}
      style=${{ transform: `translate(${left}px,${top}px)`, width: width + "px" }}>
    <a class="open" href=${conversationUrl(id)} onClick=${(event) => { watch.seen(id); follow(event); }}>
      <span class="head">
        <svg class="medium" viewBox="0 0 18 18" aria-hidden="true"><path d=${ICONS[card.media_type] ?? BUBBLE} /></svg>
        <span class="hidden">${mediaName(card.media_type)} </span>
        <${Names} names=${people(card)} agents=${card.agents.length} />
        <span class="long number">${card.ended_at && !Number.isNaN(began) ? html`<span class="hidden">ended, </span>` : ""}${Number.isNaN(began) ? "" : duration(until - began)}</span>
      </span>
      <span class="queue"><bdi>${card.queue_name ?? mediaName(card.media_type)}</bdi>${Number.isNaN(ended) ? "" : ` · ended ${now - ended < 90000 ? ago(ended, now) : clock(ended)}`}</span>
      <${Last} line=${card.last} found=${watch.found} />
      <${TalkStrip} id=${id} began=${began} until=${Math.max(until, Date.parse(card.last_spoken_at ?? "") || 0)} />
    </a>
    ${lit && html`<span class="said"><a href=${conversationUrl(id, { line: lit.key })} onClick=${(event) => { watch.seen(id); follow(event); }}>
      <bdi>${lit.said.slice(0, 24)}</bdi> <span class="number">${clock(lit.at)}</span></a>
      <button onClick=${() => watch.seen(id)} title="I have seen it" aria-label="I have seen it">✓</button></span>`}
  </li>`;
}

function Names({ names, agents }) {
  if (!names.length) return html`<span class="who none">${agents ? "Agent" : "No agent yet"}</span>`;
  // After a transfer who talks now stands first: there may be no room for more.
  return html`<span class="who"><bdi>${names[names.length - 1]}</bdi>${names.length > 1 && html`<span class="before"> from <bdi>${names[names.length - 2]}</bdi></span>`}</span>`;
}

function Last({ line, found }) {
  if (!line) return html`<span class="last quiet">Nothing has been said yet.</span>`;
  const lane = line.speaker === "agent" || line.speaker === "customer" ? line.speaker : "other";
  const text = line.text.length > LONGEST ? line.text.slice(0, LONGEST) + "…" : line.text;
  return html`<span class=${"last " + lane + (line.is_final ? "" : " interim")}><span class="by">${speakerName(line)}</span>
    <span class="speech" dir="auto">${marked(text, found).map(([piece, hit]) => (hit ? html`<mark>${piece}</mark>` : piece))}</span></span>`;
}
