// Light, dark, or as the system has it; chosen once, remembered by the browser.
import { html, useState } from "./ui.mjs";

const KEY = "genscribe.theme";
const NEXT = { "": "light", light: "dark", dark: "" };
const NAMES = { "": "as the system", light: "light", dark: "dark" };
const SIGNS = {
  "": "M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14",
  light: "M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7M10 1.8v2M10 16.2v2M1.8 10h2M16.2 10h2M4.2 4.2l1.4 1.4M14.4 14.4l1.4 1.4M4.2 15.8l1.4-1.4M14.4 5.6l1.4-1.4",
  dark: "M16.5 12.2A7 7 0 0 1 7.8 3.5a7 7 0 1 0 8.7 8.7z",
};

function stored() {
  try { return localStorage.getItem(KEY) ?? ""; } catch { return ""; }
}

function apply(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}
apply(stored());

export function ThemeSwitch() {
  const [theme, set] = useState(stored());
  const turn = () => {
    const next = NEXT[theme] ?? "";
    try { localStorage.setItem(KEY, next); } catch { /* private mode */ }
    apply(next);
    set(next);
  };
  return html`<button class="sign" onClick=${turn} title=${`Colours: ${NAMES[theme]}`} aria-label=${`Colours: ${NAMES[theme]}; change`}>
    <svg viewBox="0 0 20 20" aria-hidden="true"><path d=${SIGNS[theme] ?? SIGNS[""]} /></svg></button>`;
}
