// How the run is doing, in words for people. Pure: from answers of /api/status, and the pulse, to sentences.
import { reasonWords } from "./names.mjs";
import { clock, moment } from "./time.mjs";

export const number = (value) => value.toLocaleString("en");
export const many = (count, one, more = one + "s") => `${number(count)} ${count === 1 ? one : more}`;

export function span(seconds) {
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

export function size(bytes) {
  const power = bytes < 1e6 ? 1 : Math.min(4, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${value < 10 && power > 1 ? value.toFixed(1) : Math.round(value)} ${["kB", "MB", "GB", "TB"][power - 1]}`;
}

// → { tone: "good" | "warn" | "bad" | "idle", head, more }: the sentence that matters, and what it means.
export function verdict({ running, status, ready }) {
  const say = (tone, head, more) => ({ tone, head, more });
  if (!running || !status) return say("idle", "Nothing is being recorded by this store now.", "What was recorded before can be read and searched.");
  const { since, missing_since: missing, store_full_since: full, hearing } = status;
  if (full) return say("bad", `Not recording since ${moment(full)}: the disk is full.`, "What is said now is not recorded. Free some room, or keep less of what is old (--keep).");
  if (!status.connected) {
    const why = status.why ? `: ${status.why.trim().replace(/\.*$/, ".")}` : "";
    return missing ? say("bad", `Not hearing since ${moment(missing)}${why || "."}`, "What is said now is not recorded.")
      : say("warn", `Connecting${why || "…"}`, "Nothing is recorded before that.");
  }
  const but = `Connected since ${moment(since)}, but `;
  if (hearing?.unheard) return say("warn", `${but}${many(hearing.unheard, "conversation is", "conversations are")} not heard.`, "What is said in the others is recorded.");
  if (ready?.reason === "waiting") return say("warn", `A conversation has been waiting ${span(hearing?.waiting_s ?? 0)} to be heard.`, "All others are recorded.");
  if (hearing?.silent) return say("warn", `${but}no text comes of ${many(hearing.silent, "call")}.`, "All others are recorded.");
  const head = `Hearing everything since ${moment(since)}`;
  const ailing = status.sinks.filter(({ state }) => state !== "running" && state !== "ended").map((sink) => sink.name);
  if (!ailing.length) return say("good", head, "Nothing is being missed.");
  return say("warn", `${head}, but not everything is sent on.`, `Nothing is lost: what ${ailing.join(", ")} ${ailing.length === 1 ? "has" : "have"} not taken stays in the store.`);
}

// What follows makes rows of a panel: { name, value, tone, more }.

export function sinkRow({ name, state, since, lag_events: events, lag_seconds: seconds, dead_letters: rejected, last_error: error }) {
  const late = events > 0 && seconds >= 5, running = state === "running";
  const [words, tone] = running ? late ? ["catching up", "warn"] : ["up to date"]
    : state === "retrying" ? ["trying again", "warn"] : state === "ended" ? ["its reader has gone"] : [state, "bad"];
  const lag = events > 0 ? `${many(events, "event")}${seconds >= 1 ? `, ${span(seconds)}` : ""} behind` : "Nothing is waiting";
  return { name, tone, value: running ? words : `${words} since ${moment(since)}`, more: [lag, rejected && `${number(rejected)} rejected`, error].filter(Boolean).join(" · ") };
}

// → when something was not recorded, how long, and why.
export function gapWords({ started_at: from, ended_at: to, reason }) {
  const until = !to ? " until now" : "–" + (new Date(from).toDateString() === new Date(to).toDateString() ? clock(to) : moment(to));
  return { when: moment(from) + until, long: to ? span((Date.parse(to) - Date.parse(from)) / 1000) : "", why: reasonWords(reason) };
}

// → a line of the log for people: times of theirs, and our words for what is missing.
export function warningWords(line) {
  return line
    .replace(/gap recorded: (\S+) to (\S+) \(([a-z ]+)\)/, (all, from, to, reason) => `not recorded ${from}–${to} (${reasonWords(reason)})`)
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, (time) => moment(time));
}

// → equal ones as one row, the newest first; `of` says what is equal, `at` is where its time stands.
export function grouped(list, of, at) {
  const groups = new Map();
  for (const one of list) {
    const more = of(one), { count = 0, last = "" } = groups.get(more) ?? {};
    groups.set(more, { more, count: count + 1, last: one[at] > last ? one[at] : last });
  }
  return [...groups.values()].sort((one, other) => (one.last < other.last ? 1 : -1))
    .map(({ more, count, last }) => ({ name: moment(last), value: count > 1 && `${count} times`, more }));
}
