// How something went in the last minutes, as a line.
import { html, useState } from "./ui.mjs";
import { clock } from "./time.mjs";

const WIDTH = 600, HEIGHT = 96;

// → where the pointer is along an element, 0 to 1.
export function along(event) {
  const { left, width } = event.currentTarget.getBoundingClientRect();
  return (event.clientX - left) / width;
}

// `values` are oldest first, one each `every` seconds, null where there is none; the last is of `until` (ISO).
// `say(value)` is a value in words, `unit` stands behind the first number of the axis.
export function Chart({ title, note, values, every, until, unit, say }) {
  const [pointed, point] = useState(null); // so many values before the last
  const minutes = Math.max(5, Math.ceil((values.length * every) / 60)), steps = (minutes * 60) / every - 1;
  const last = values.length - 1, known = values.filter((value) => value != null);
  const top = ceiling(Math.max(0, ...known));
  const share = (index) => 1 - (last - index) / steps;
  const x = (index) => (WIDTH * share(index)).toFixed(1), y = (value) => (HEIGHT * (1 - value / top)).toFixed(1);
  // A piece for each run of values; what is filled begins and ends on the ground.
  const path = (filled) => values.map((value, index) => value == null ? ""
    : (values[index - 1] == null ? `M${x(index)} ${filled ? HEIGHT : y(value)}` : "") + `L${x(index)} ${y(value)}` + (filled && values[index + 1] == null ? `V${HEIGHT}` : "")).join("");
  const index = last - pointed, value = pointed === null ? null : values[index];
  const now = known.length && values[last] != null ? say(values[last]) : "–";
  const words = known.length ? `${now} now; between ${say(Math.min(...known))} and ${say(Math.max(...known))} in the last ${minutes} minutes.` : "nothing yet.";
  return html`<figure class="chart panel">
    <figcaption><span>${title}</span><strong class="number">${now}</strong></figcaption>
    <div class="plot">
      <div class="scale number" aria-hidden="true"><span>${label(top)}${unit}</span><span>${label(top / 2)}</span><span>0</span></div>
      <div class="area" onPointerMove=${(event) => point(Math.round((1 - along(event)) * steps))} onPointerLeave=${() => point(null)}>
        <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${`${title}: ${words}`}>
          <path class="grid" d="M0 0H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEIGHT}H${WIDTH}" />
          <path class="under" d=${path(true)} /><path class="over" d=${path(false)} />
        </svg>
        ${value != null && html`<span class="dot" style=${{ left: share(index) * 100 + "%", top: 100 - (100 * value) / top + "%" }}></span>
          <span class=${"tip number" + (share(index) > 0.5 ? " left" : "")} style=${{ left: share(index) * 100 + "%" }}>${say(value)} · ${clock(Date.parse(until) - pointed * every * 1000)}</span>`}
      </div>
      <div class="times faint" aria-hidden="true"><span>${minutes} min ago</span><span>${known.length ? "now" : "nothing yet"}</span></div>
    </div>
    <p class="quiet">${note}</p>
  </figure>`;
}

// → the least round number that is not below a value.
export function ceiling(value) {
  const ten = 10 ** Math.floor(Math.log10(value || 1));
  return ten * [1, 2, 3, 4, 6, 8, 10].find((step) => value <= step * ten * 1.0001);
}

const label = (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 });
