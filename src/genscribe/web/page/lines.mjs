// The parts of a dialogue: a line, a hole in it, and who came and went.
import { html } from "./ui.mjs";
import { lane } from "./dialogue.mjs";
import { reasonWords, speakerName } from "./names.mjs";
import { conversationUrl } from "./route.mjs";
import { clock } from "./time.mjs";

const UNSURE = 0.6; // below that confidence a line is drawn softer

export function Line({ item, people, id, picked, onPick }) {
  const { line, time, more } = item;
  const name = speakerName(line, people);
  const unsure = line.confidence != null && line.confidence < UNSURE;
  const kinds = ["line", lane(line), more && "more", picked && "picked", unsure && "unsure", !line.is_final && "interim"].filter(Boolean).join(" ");
  return html`<div class=${kinds} data-key=${line.key} data-time=${time} tabindex="-1">
    ${more ? html`<span class="hidden">${name}</span>` : html`<span class="speaker">${name}</span>`}
    <p class="speech" dir="auto">${line.text || "…"}</p>
    <a class="time number" href=${conversationUrl(id, { line: line.key })} title="Link to this line"
      onClick=${(event) => { if (event.button || event.metaKey || event.ctrlKey || event.shiftKey) return; event.preventDefault(); onPick(line.key); }}>
      ${clock(time)}</a>
    ${line.cut && html`<span class="faint">The rest of this line is in the downloads.</span>`}
    ${unsure && html`<span class="hidden">(not sure)</span>`}
  </div>`;
}

export function Hole({ hole }) {
  const until = hole.ended_at ? "–" + clock(hole.ended_at) : " until now";
  return html`<p class="gap" role="note"><span>Not recorded ${clock(hole.started_at)}${until} (${reasonWords(hole.reason)})</span></p>`;
}

export function Note({ note }) {
  if (note.what === "ended") return html`<p class="note quiet"><span>The conversation ended <span class="number">${clock(note.time)}</span></span></p>`;
  const queue = note.what === "joined" && note.queue ? " · " + note.queue : "";
  return html`<p class="note quiet"><span><bdi>${note.name ?? "An agent"}</bdi> ${note.what}${queue} <span class="number">${clock(note.time)}</span></span></p>`;
}
