// A conversation taken along: as a file, or on the clipboard.
import { html } from "./ui.mjs";
import { speakerName } from "./names.mjs";
import { clock } from "./time.mjs";

export function Downloads({ id }) {
  const path = "/api/conversations/" + encodeURIComponent(id) + "?format=";
  return html`<a class="button" href=${path + "txt"} download>Text</a><a class="button" href=${path + "jsonl"} download title="One JSON object a line, as all exports">JSON Lines</a>`;
}

// Puts what is shown on the clipboard; says so to whoever reads the page.
export async function copyText(list, state) {
  const text = list.filter((item) => item.type === "line")
    .map((item) => `${clock(item.time)}  ${speakerName(item.line, state.people)}: ${item.line.text}`).join("\n");
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.");
  } catch {
    say("The browser does not allow copying here; take the text file.");
  }
}

// A word in the page's one polite live region, gone after a while.
let fading = 0;
export function say(text) {
  let region = document.getElementById("said");
  if (!region) {
    region = document.createElement("p");
    region.id = "said";
    region.setAttribute("role", "status");
    document.body.append(region);
  }
  region.textContent = text;
  clearTimeout(fading);
  fading = setTimeout(() => { region.textContent = ""; }, 4000);
}
