// In the bar: whether all is heard, in a word.
import { html } from "./ui.mjs";
import { useLive } from "./live.mjs";
import { follow } from "./route.mjs";
import { clock } from "./time.mjs";

export function Strip() {
  const [kind, words] = useLive((live) => { const found = health(live); return found.join("\n"); }).split("\n");
  return html`<a class=${"pulse " + kind} href="/health" onClick=${follow}><span class="dot" aria-hidden="true"></span><span role="status">${words}</span></a>`;
}

// → ["good" | "warn" | "bad" | "idle", what is said of it].
export function health({ pulse, state }) {
  if (state === "lost") return ["bad", "This page lost its server; trying again"];
  if (!pulse) return ["idle", "Connecting…"];
  if (!pulse.running) return ["idle", "Nothing is being recorded now"];
  if (pulse.store_full_since) return ["bad", `The disk is full: not recording since ${clock(pulse.store_full_since)}`];
  if (!pulse.connected) return pulse.missing_since ? ["bad", `Not hearing since ${clock(pulse.missing_since)}`] : ["idle", "Connecting…"];
  if (pulse.unheard) return ["bad", pulse.unheard === 1 ? "1 call is not heard" : `${pulse.unheard} calls are not heard`];
  if (pulse.silent) return ["warn", pulse.silent === 1 ? "1 call without text" : `${pulse.silent} calls without text`];
  return ["good", "Hearing everything"];
}
