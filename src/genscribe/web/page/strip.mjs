// In the bar: whether all is heard, in a word.
import { html } from "./ui.mjs";
import { useLive } from "./live.mjs";
import { follow } from "./route.mjs";
import { clock } from "./time.mjs";

export function Strip() {
  const [tone, words] = useLive((live) => health(live).join("\n")).split("\n");
  return html`<a class=${"pulse " + tone} href="/health" onClick=${follow} title="How genscribe is doing">
    <span class="dot" aria-hidden="true"></span><span class="words" role="status">${words}</span></a>`;
}

const calls = (count, what) => `${count.toLocaleString("en")} ${count === 1 ? "call" : "calls"} ${what}`;

// → ["good" | "warn" | "bad" | "idle", what is said of it].
export function health({ pulse, state }) {
  if (state === "lost") return ["bad", "This page lost its server, trying again"];
  if (!pulse || state === "starting") return ["idle", "Connecting…"];
  if (!pulse.running) return ["idle", "Showing what was stored"];
  if (pulse.store_full_since) return ["bad", `Not recording since ${clock(pulse.store_full_since)} (the disk is full)`];
  if (!pulse.connected) return pulse.missing_since ? ["bad", `Not hearing since ${clock(pulse.missing_since)} (connection lost)`] : ["idle", "Connecting to the platform…"];
  if (pulse.unheard) return ["bad", calls(pulse.unheard, "not heard")];
  if (pulse.silent) return ["warn", calls(pulse.silent, "without text")];
  const stuck = pulse.sinks?.find((sink) => sink.state === "paused" || sink.state === "stopped");
  if (stuck) return ["warn", "Hearing everything; sending on is stopped"];
  return ["good", "Hearing everything"];
}
