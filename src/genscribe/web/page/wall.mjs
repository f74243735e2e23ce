import { html } from "./ui.mjs";
export function Wall() { return html`<p>Wall</p>`; }
