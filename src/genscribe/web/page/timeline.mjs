// The whole call on one strip: the agent above, the customer below, silence between, holes hatched. A click goes there.
import { html, useMemo, useState } from "./ui.mjs";
import { along } from "./charts.mjs";
import { lane, length, span } from "./dialogue.mjs";
import { drawn } from "./talkstrip.mjs";
import { clock, duration } from "./time.mjs";

// `list` is what the dialogue shows; `onGo(time)` goes to what was said then.
export function Timeline({ state, list, now, onGo }) {
  const [pointed, point] = useState(null);
  const { start, end } = span(state, now), whole = end - start;
  const spans = useMemo(() => list.filter((item) => item.line).map(({ time, line }) => [time - start, length(line), lane(line)]), [list, start]);
  const lanes = useMemo(() => Object.entries(drawn(spans)), [spans]);
  const timeAt = (event) => start + along(event) * whole;
  const percent = (ms) => (100 * ms) / whole + "%";
  const spoke = (who) => Math.round((100 * spans.reduce((sum, [, ms, lane]) => sum + (lane === who ? ms : 0), 0)) / whole) + " %";
  return html`<div class="timeline" onClick=${(event) => onGo(timeAt(event))} onPointerMove=${(event) => point(timeAt(event))} onPointerLeave=${() => point(null)}>
    <svg class="talk" viewBox="0 0 ${whole} 20" preserveAspectRatio="none" role="img"
      aria-label=${`Who spoke when, ${duration(whole)} in all: agent ${spoke("agent")}, customer ${spoke("customer")} of the time.`}>
      ${lanes.map(([who, path]) => html`<path key=${who} class=${who} d=${path} />`)}
    </svg>
    ${list.filter((item) => item.type === "gap").map(({ key, time, end: to }) => html`
      <span key=${key} class="hole" style=${{ left: percent(time - start), width: percent(Math.min(to, end) - time) }}></span>`)}
    <p class="ends number faint"><span>${clock(start)}</span><span>${duration(whole)}</span></p>
    ${pointed !== null && html`<span class="tip number" style=${{ left: percent(pointed - start) }}>${clock(pointed)}</span>`}
  </div>`;
}
