// How things went, along time.
import { html, useMemo, useState } from "./ui.mjs";
import { lane, length, span } from "./dialogue.mjs";
import { drawn } from "./talkstrip.mjs";
import { clock, duration } from "./time.mjs";
import { label } from "./verdict.mjs";

// → where the pointer is along an element, 0 to 1.
function along({ currentTarget, clientX }) {
  const { left, width } = currentTarget.getBoundingClientRect();
  return (clientX - left) / width;
}

// `values` are oldest first, one each `every_s` seconds, null where there is none; the last is of `until` (ISO).
export function Chart({ title, note, values, every_s: every, until, unit }) {
  const [pointed, point] = useState(null); // so many values before the last
  const minutes = Math.max(5, Math.ceil((values.length * every) / 60)), steps = (minutes * 60) / every - 1;
  const last = values.length - 1, known = values.filter((value) => value != null), top = Math.max(...known, 0);
  const say = (value) => label(value) + unit;
  const now = values[last] == null ? "–" : say(values[last]);
  const words = known.length ? `${now} now; between ${say(Math.min(...known))} and ${say(top)} in the last ${minutes} minutes.` : "nothing yet.";
  // A piece for each run of values, from the ground to the ground.
  const path = values.map((value, at) => value == null ? "" : (values[at - 1] == null ? `M${at} 0` : "") + `L${at} ${value}` + (values[at + 1] == null ? "V0" : "")).join("");
  const at = 1 - pointed / steps, value = pointed === null ? null : values[last - pointed];
  return html`<figure class="box chart">
    <figcaption>${title}<strong class="number">${now}</strong></figcaption>
    <div class="area" onPointerMove=${(event) => point(Math.round((1 - along(event)) * steps))} onPointerLeave=${() => point(null)}>
      <svg viewBox="${last - steps} 0 ${steps} ${top || 1}" preserveAspectRatio="none" role="img" aria-label=${`${title}: ${words}`}><path d=${path} /></svg>
      ${value != null && html`<span class=${"tip number" + (at > 0.5 ? " left" : "")} style=${{ left: at * 100 + "%" }}>${say(value)} · ${clock(Date.parse(until) - pointed * every * 1000)}</span>`}
    </div>
    <div class="ends faint" aria-hidden="true"><span>${minutes} min ago</span><span>${known.length ? `at most ${say(top)}` : "nothing yet"}</span><span>now</span></div>
    <p class="quiet">${note}</p>
  </figure>`;
}

// The whole call on one strip, holes hatched. `list` is what the dialogue shows; `onGo(time)` goes to what was said then.
export function Timeline({ state, list, now, onGo }) {
  const { start, end } = span(state, now), whole = end - start;
  const lanes = useMemo(() => Object.entries(drawn(list.filter(({ line }) => line).map(({ time, line }) => [time - start, length(line), lane(line)]))), [list, start]);
  const percent = (ms) => (100 * ms) / whole + "%";
  return html`<div class="timeline" onClick=${(event) => onGo(start + along(event) * whole)}>
    <svg class="talk" viewBox="0 0 ${whole} 20" preserveAspectRatio="none" role="img" aria-label=${`Who spoke when, ${duration(whole)} in all`}>
      ${lanes.map(([who, path]) => html`<path key=${who} class=${who} d=${path} />`)}</svg>
    ${list.map(({ key, time, end: to }) => to && html`<span key=${key} class="hole" style=${{ left: percent(time - start), width: percent(Math.min(to, end) - time) }}></span>`)}
    <p class="ends number faint"><span>${clock(start)}</span><span>${duration(whole)}</span></p>
  </div>`;
}
