import { html } from "./ui.mjs";
export function Search() { return html`<p>Search</p>`; }
