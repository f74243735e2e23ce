import { html } from "./ui.mjs";
export function Health() { return html`<p>Health</p>`; }
