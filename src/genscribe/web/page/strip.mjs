import { html } from "./ui.mjs";
export function Strip() { return html`<p>Strip</p>`; }
