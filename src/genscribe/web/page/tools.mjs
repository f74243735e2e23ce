// A menu of a filter, here and in the search.
import { html } from "./ui.mjs";
import { mediaName } from "./names.mjs";

export function Menu({ name, label, all, chosen, options, set }) {
  const every = !chosen || options.some(([id]) => id === chosen) ? options : [...options, [chosen, chosen]];
  return html`<select aria-label=${label} class=${chosen && "on"} value=${chosen} onChange=${(event) => set({ [name]: event.target.value })}>
    <option value="">${all}</option>
    ${every.map(([id, text]) => html`<option key=${id} value=${id}>${name === "media_type" ? mediaName(text) : text}</option>`)}
  </select>`;
}
