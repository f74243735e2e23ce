// Dark, light, or as the system has it.
import { html, useState } from "./ui.mjs";

const KEY = "genscribe.theme";
const NEXT = { "": "light", light: "dark", dark: "" };
const NAMES = { "": "as the system", light: "light", dark: "dark" };

function kept() {
  try { const known = localStorage.getItem(KEY); return known in NAMES ? known : ""; } catch { return ""; }
}

function wear(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

wear(kept());

export function Theme() {
  const [theme, set] = useState(kept());
  const turn = () => {
    const next = NEXT[theme];
    try { localStorage.setItem(KEY, next); } catch { /* for this time only */ }
    wear(next);
    set(next);
  };
  return html`<button class="icon" onClick=${turn} title=${"Colours: " + NAMES[theme]} aria-label=${`Colours: ${NAMES[theme]}. Change`}>
    <svg viewBox="0 0 20 20" aria-hidden="true"><circle cx="10" cy="10" r="7" fill=${theme === "dark" ? "currentColor" : "none"} />
      ${!theme && html`<path d="M10 3a7 7 0 0 1 0 14z" fill="currentColor" />`}</svg></button>`;
}
