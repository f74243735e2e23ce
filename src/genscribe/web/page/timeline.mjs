// The whole call on one strip: the agent above, the customer below, silence between, holes hatched. A click goes there.
import { html, useMemo, useRef, useState } from "./ui.mjs";
import { lane, length, lineTime, span, talk } from "./dialogue.mjs";
import { clock, duration } from "./time.mjs";

const WIDTH = 1000;
const LANES = { agent: [4, 16], other: [22, 8], customer: [32, 16] };

// `version` changes when the state did; `onGo(time)` goes to what was said then; `shown` is the time range in view.
export function Timeline({ state, version, now, shown, onGo }) {
  const box = useRef(null);
  const [pointed, point] = useState(null);
  const { start, end } = span(state, now);
  const scale = WIDTH / (end - start);
  const paths = useMemo(() => lanes(state, start, scale), [version, start, Math.round(scale * 1e6)]);
  const holes = [...state.holes.values()].map((hole) => {
    const from = Math.max(Date.parse(hole.started_at), start);
    const to = Math.min(hole.ended_at ? Date.parse(hole.ended_at) : end, end);
    return to > from ? { key: hole.key, x: (from - start) * scale, width: Math.max((to - from) * scale, 2) } : null;
  }).filter(Boolean);
  const timeAt = (event) => {
    const { left, width } = box.current.getBoundingClientRect();
    return start + (Math.min(Math.max(event.clientX - left, 0), width) / width) * (end - start);
  };
  return html`<div class="timeline" ref=${box} onClick=${(event) => onGo(timeAt(event))}
      onPointerMove=${(event) => point(timeAt(event))} onPointerLeave=${() => point(null)}>
    <svg viewBox="0 0 ${WIDTH} 52" preserveAspectRatio="none" role="img" aria-label=${words(state, start, end)}>
      <defs><pattern id="hatch" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <rect class="hatch" width="3" height="8" /></pattern></defs>
      <line class="axis" x1="0" x2=${WIDTH} y1="26" y2="26" />
      ${holes.map((hole) => html`<rect key=${hole.key} class="hole" x=${hole.x} width=${hole.width} y="0" height="52" fill="url(#hatch)" />`)}
      ${Object.entries(paths).map(([who, d]) => html`<path key=${who} class=${who} d=${d} />`)}
      ${shown && html`<rect class="shown" x=${(shown.from - start) * scale} width=${Math.max((shown.to - shown.from) * scale, 3)} y="0" height="52" />`}
    </svg>
    <span class="number faint from">${clock(start)}</span>
    <span class="number faint to">${duration(end - start)}</span>
    ${pointed !== null && html`<span class="number pointed" style=${{ left: ((pointed - start) / (end - start)) * 100 + "%" }}>${clock(pointed)}</span>`}
  </div>`;
}

function lanes(state, start, scale) {
  const paths = { agent: "", other: "", customer: "" };
  for (const line of state.lines.values()) {
    const time = lineTime(line);
    if (Number.isNaN(time)) continue;
    const who = lane(line), [y, height] = LANES[who];
    const width = Math.max(length(line) * scale, 1.2).toFixed(1);
    paths[who] += `M${((time - start) * scale).toFixed(1)} ${y}h${width}v${height}h-${width}z`;
  }
  return paths;
}

function words(state, start, end) {
  const total = talk(state), whole = end - start;
  const share = (ms) => Math.round((100 * ms) / whole) + " %";
  return `Who spoke when, ${duration(whole)} in all: agent ${share(total.agent)}, customer ${share(total.customer)} of the time.`;
}
