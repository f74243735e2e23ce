// The parts of a dialogue: a line, and what stands between lines.
import { html } from "./ui.mjs";
import { lane } from "./dialogue.mjs";
import { speakerName } from "./names.mjs";
import { conversationUrl, follow } from "./route.mjs";
import { clock } from "./time.mjs";

const UNSURE = 0.6; // below that confidence a line is drawn softer

export function Line({ item, people, id, picked }) {
  const { line, time, more } = item;
  const unsure = line.confidence != null && line.confidence < UNSURE;
  const kinds = ["line", lane(line), more && "more", picked && "picked", unsure && "unsure", !line.is_final && "interim"];
  return html`<div class=${kinds.filter(Boolean).join(" ")} data-key=${line.key} tabindex="-1">
    <span class=${more ? "hidden" : "speaker"}>${speakerName(line, people)}</span>
    <a class="time number" href=${conversationUrl(id, { line: line.key })} title="Link to this line" onClick=${(event) => follow(event, { replace: true })}>${clock(time)}</a>
    <p class="speech" dir="auto">${line.text || "…"}</p>
    ${line.cut && html`<span class="faint">The rest of this line is in the downloads.</span>`}
    ${unsure && html`<span class="hidden">(not sure)</span>`}
  </div>`;
}

export function Between({ item }) {
  return html`<p class=${item.type}><span>${item.type === "gap" ? `Not recorded ${item.when} (${item.why})`
    : html`<bdi>${item.who}</bdi> ${item.what} <span class="number">${clock(item.time)}</span>`}</span></p>`;
}
