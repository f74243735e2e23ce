// Small drawings of numbers: how something went in the last half hour, and how much of a limit is used.
import { html, useRef, useState } from "./ui.mjs";
import { clock } from "./time.mjs";

const WIDTH = 600, HEIGHT = 96;
const SPANS_MIN = [5, 10, 30];

// A line over time. `values` are oldest first, one each `every` seconds, null where there is none; the last is of
// `until` (ISO). `say(value)` is a value in words, `unit` stands behind the numbers of the axis.
export function Chart({ title, note, values, every, until, unit, say, tone }) {
  const box = useRef(null);
  const [pointed, point] = useState(null);
  const minutes = SPANS_MIN.find((span) => values.length * every <= span * 60) ?? SPANS_MIN.at(-1);
  const steps = (minutes * 60) / every;
  const shown = values.slice(-steps);
  const known = shown.filter((value) => value != null);
  const top = ceiling(Math.max(0, ...known));
  const x = (index) => WIDTH * (1 - (shown.length - 1 - index) / (steps - 1));
  const y = (value) => HEIGHT * (1 - value / top);
  const { line, area } = paths(shown, x, y);
  const pointAt = (event) => {
    const { left, width } = box.current.getBoundingClientRect();
    const index = shown.length - 1 - Math.round((1 - (event.clientX - left) / width) * (steps - 1));
    point(shown[index] == null ? null : shown.length - 1 - index);
  };
  const index = pointed === null ? -1 : shown.length - 1 - pointed;
  const value = shown[index];
  const share = x(index) / WIDTH;
  const now = shown.at(-1);
  return html`<figure class=${"chart " + tone}>
    <figcaption><span class="title">${title}</span><strong class="number">${now == null ? "–" : say(now)}</strong></figcaption>
    <div class="plot">
      <div class="scale number" aria-hidden="true"><span>${label(top)}${unit}</span><span>${label(top / 2)}</span><span>0</span></div>
      <div class="area" ref=${box} onPointerMove=${pointAt} onPointerLeave=${() => point(null)}>
        <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${words(title, known, now, minutes, say)}>
          ${[0, 0.5, 1].map((part) => html`<line class="grid" x1="0" x2=${WIDTH} y1=${HEIGHT * part} y2=${HEIGHT * part} />`)}
          <path class="under" d=${area} /><path class="over" d=${line} />
          ${value != null && html`<line class="at" x1=${x(index)} x2=${x(index)} y1="0" y2=${HEIGHT} />`}
        </svg>
        ${value != null && html`<span class="dot" style=${{ left: share * 100 + "%", top: (100 * y(value)) / HEIGHT + "%" }}></span>
          <span class=${"tip number" + (share > 0.5 ? " left" : "")} style=${{ left: share * 100 + "%" }}>${say(value)} · ${clock(new Date(Date.parse(until) - pointed * every * 1000).toISOString())}</span>`}
        ${!known.length && html`<span class="none faint">nothing yet</span>`}
      </div>
      <div class="times faint" aria-hidden="true"><span>${minutes} min ago</span><span>now</span></div>
    </div>
    ${note && html`<p class="note quiet">${note}</p>`}
  </figure>`;
}

// How much of a limit is used.
export function Bar({ name, value, limit, near }) {
  const share = Math.min(1, value / limit);
  const text = `${value.toLocaleString("en")} of ${limit.toLocaleString("en")}`;
  return html`<div class=${"limit" + (near ? " near" : "")}>
    <span>${name}</span><span class="number">${text}</span>
    <div class="bar-of" role="meter" aria-label=${name} aria-valuemin="0" aria-valuemax=${limit} aria-valuenow=${value} aria-valuetext=${text}>
      <span style=${{ width: share * 100 + "%" }}></span></div>
  </div>`;
}

// → the least round number that is not below a value.
export function ceiling(value) {
  if (!(value > 0)) return 1;
  const ten = 10 ** Math.floor(Math.log10(value));
  return ten * [1, 2, 3, 4, 6, 8, 10].find((step) => value <= step * ten * 1.0001);
}

const label = (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 });

// A value without neighbours is a point: a line of no length has round ends.
function paths(values, x, y) {
  let line = "", area = "", from = null;
  values.forEach((value, index) => {
    if (value == null) return;
    const here = `${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
    if (from === null) { from = index; line += `M${here}h0`; area += `M${x(index).toFixed(1)} ${HEIGHT}L${here}`; } else { line += `L${here}`; area += `L${here}`; }
    if (values[index + 1] == null) { area += `L${x(index).toFixed(1)} ${HEIGHT}Z`; from = null; }
  });
  return { line, area };
}

function words(title, known, now, minutes, say) {
  if (!known.length) return `${title}: nothing yet.`;
  const most = known.reduce((one, other) => Math.max(one, other)), least = known.reduce((one, other) => Math.min(one, other));
  return `${title}: ${now == null ? "nothing" : say(now)} now; between ${say(least)} and ${say(most)} in the last ${minutes} minutes.`;
}
