// Above the cards: what is shown of them, and the words one waits for.
import { html, useEffect, useState } from "./ui.mjs";
import { useLive } from "./live.mjs";
import { mediaName } from "./names.mjs";
import { asSearch, follow, read } from "./route.mjs";
import { watch } from "./watch.mjs";

const TYPING_MS = 250;
const FILTERS = [["queue", "Queue", "All queues"], ["agent", "Agent", "All agents"], ["media_type", "Medium", "All media"]];

export function Tools({ chosen, set, total, ended, options, words }) {
  const [open, setOpen] = useState(false);
  const tab = (show, name, count) => html`<a href=${"/" + asSearch({ ...chosen, show })} onClick=${follow} aria-current=${chosen.show === show ? "true" : undefined}>
    ${name} <span class="number">${count.toLocaleString("en")}</span></a>`;
  const any = FILTERS.some(([name]) => chosen[name]) || chosen.text;
  return html`<header class="tools">
    <div class="row">
      <nav class="tabs" aria-label="Which conversations">${tab("", "In progress", total)}${tab("ended", "Just ended", ended)}</nav>
      <${Late} />
      <button class="filters-button" aria-expanded=${open} onClick=${() => setOpen(!open)}>Filters${any || watch.text ? " •" : ""}</button>
    </div>
    <div class=${"row filters" + (open ? " open" : "")}>
      ${FILTERS.map(([name, label, all]) => html`<${Menu} key=${name} name=${name} label=${label} all=${all} chosen=${chosen[name]} options=${options[name]} set=${set} />`)}
      <${Typed} label="Text or name" value=${chosen.text} onText=${(text) => set({ text })} />
      <${Watching} box=${words} set=${set} />
    </div>
  </header>`;
}

// How late text is now, as a calm sentence.
function Late() {
  const seconds = useLive((live) => (live.state === "open" && live.pulse?.connected ? live.pulse.speech_s : null));
  if (seconds == null) return html`<p class="late"></p>`;
  const about = seconds < 1 ? "within a second" : `about ${Math.round(seconds)} s`;
  return html`<p class="late quiet">Text arrives ${about} after it is spoken</p>`;
}

function Menu({ name, label, all, chosen, options, set }) {
  const known = options.some(([id]) => id === chosen) || !chosen;
  const shown = (text) => (name === "media_type" ? mediaName(text) : text);
  return html`<select aria-label=${label} class=${chosen ? "on" : ""} value=${chosen} onChange=${(event) => set({ [name]: event.target.value })}>
    <option value="">${all}</option>
    ${options.map(([id, text]) => html`<option key=${id} value=${id} selected=${id === chosen}>${shown(text)}</option>`)}
    ${!known && html`<option value=${chosen} selected>${shown(chosen)}</option>`}
  </select>`;
}

// A field that is told when typing has paused.
function Typed({ label, value, onText, box, hint, kind = "" }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return undefined;
    const timer = setTimeout(() => onText(text), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<label class=${"typed " + kind}><span class="hidden">${label}</span>
    <input ref=${box} type="search" maxlength="500" autocomplete="off" spellcheck="false" placeholder=${hint ?? label} value=${text}
      onInput=${(event) => setText(event.target.value)}
      onKeyDown=${(event) => { if (event.key === "Escape") { event.preventDefault(); event.target.blur(); } if (event.key === "Enter") onText(text); }} /></label>`;
}

function Watching({ box, set }) {
  const [, redraw] = useState(0);
  useEffect(() => watch.subscribe(() => redraw((count) => count + 1)), []);
  const change = (text) => {
    watch.set(text);
    // In the URL only where it came from there: the words are this browser's else.
    if (read().query.has("watch")) set({ watch: text });
  };
  return html`<${Typed} kind=${"watching" + (watch.found ? " on" : "")} label="Watch words, with commas between: a card lights up as soon as one is said" hint="Watch words: cancel, refund" value=${watch.text} onText=${change} box=${box} />
    ${watch.lit.size > 0 && html`<button class="lit-count" onClick=${() => watch.allSeen()}>${watch.lit.size} lit · all seen</button>`}`;
}
