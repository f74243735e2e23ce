// The keys, on `?`.
import { html, useEffect, useRef, useState } from "./ui.mjs";
import { useKeys } from "./keys.mjs";

const KEYS = [["/", "search"], ["j  k", "next and previous: conversation, line, result"], ["Enter", "open what is chosen"],
  ["G", "in a conversation: the newest line"], ["Esc", "back; on the wall: show all"], ["?", "this list"]];

export function Help() {
  const [open, set] = useState(false);
  const dialog = useRef(null);
  useKeys({ "?": () => set(true) });
  useEffect(() => { if (open) dialog.current.showModal(); }, [open]);
  return html`<button class="sign" onClick=${() => set(true)} title="Keys" aria-label="Keys">?</button>
    ${open && html`<dialog ref=${dialog} class="help" aria-labelledby="keys" onClose=${() => set(false)} onClick=${(event) => event.target === dialog.current && dialog.current.close()}>
      <h2 id="keys">Keys</h2>
      <dl>${KEYS.map(([key, what]) => html`<dt>${key.split("  ").map((one) => html`<kbd>${one}</kbd> `)}</dt><dd>${what}</dd>`)}</dl>
      <form method="dialog"><button>Close</button></form>
    </dialog>`}`;
}
