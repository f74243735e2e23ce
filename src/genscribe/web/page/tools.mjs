// The menus of filters, here and in the search.
import { html } from "./ui.mjs";
import { mediaName } from "./names.mjs";

// → what draws a menu: of what is `chosen`, from `options`: { name: [[value, words], …] }.
export const menus = (chosen, set, options) => (name, label, all) => {
  const is = chosen[name], some = options[name], every = !is || some.some(([id]) => id === is) ? some : [...some, [is, is]];
  return html`<select aria-label=${label} class=${is && "on"} value=${is} onChange=${(event) => set({ [name]: event.target.value })}>
    <option value="">${all}</option>
    ${every.map(([id, text]) => html`<option key=${id} value=${id}>${name === "media_type" ? mediaName(text) : text}</option>`)}
  </select>`;
};
