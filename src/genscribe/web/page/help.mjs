// The keys, on one card.
import { html, useEffect, useRef } from "./ui.mjs";

const KEYS = [
  ["/", "search what was said"],
  ["j", "next card, line or result"],
  ["k", "the one before"],
  ["Enter", "open it"],
  ["w", "watch words"],
  ["G", "newest line of a conversation"],
  ["Esc", "back"],
  ["?", "these keys"],
];

export function Help({ onClose }) {
  const box = useRef(null);
  useEffect(() => { box.current.showModal(); }, []);
  return html`<dialog class="help" ref=${box} onClose=${onClose} aria-labelledby="keys" onClick=${(event) => event.target === box.current && box.current.close()}>
    <form method="dialog"><h2 id="keys">Keys</h2>
      <dl>${KEYS.map(([key, what]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl>
      <button>Close</button></form>
  </dialog>`;
}
