import { html } from "./ui.mjs";
export function Conversation() { return html`<p>Conversation</p>`; }
