// In the bar: whether all is heard, in a sentence.
import { html } from "./ui.mjs";
import { useLive } from "./live.mjs";
import { follow } from "./route.mjs";
import { verdict } from "./verdict.mjs";

export function Strip() {
  const [tone, words] = useLive((live) => health(live).join("\n")).split("\n");
  return html`<a class=${"pulse " + tone} href="/health" onClick=${follow} title="How genscribe is doing">
    <span class="dot" aria-hidden="true"></span><span class="words" role="status">${words}</span></a>`;
}

function health({ pulse, state }) {
  if (state === "lost") return ["bad", "This page lost its server, trying again"];
  if (!pulse || state === "starting") return ["idle", "Connecting…"];
  const { tone, head } = verdict({ running: pulse.running, status: { ...pulse, hearing: pulse } });
  return [tone, head];
}
