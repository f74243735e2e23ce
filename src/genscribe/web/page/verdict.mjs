// How the run is doing, in words for people: from /api/status and the pulse to sentences.
import { reasonWords } from "./names.mjs";
import { clock, moment, span } from "./time.mjs";

export const number = (value) => value.toLocaleString("en");
export const many = (count, one, more = one + "s") => `${number(count)} ${count === 1 ? one : more}`;
export const label = (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 });
export const size = (bytes) => (bytes < 1e9 ? label(bytes / 1e6) + " MB" : label(bytes / 1e9) + " GB");

// → why `ask` failed; the browser's words are not for people.
export const failed = (error) => (error.status ? error.message : "The server does not answer.");

// → { tone, head, more }: the sentence that matters, and what it means.
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
  const but = `Connected since ${moment(since)}, but`, others = "All others are recorded.";
  if (hearing?.unheard) return say("warn", `${but} ${many(hearing.unheard, "conversation is", "conversations are")} not heard.`, others);
  if (ready?.reason === "waiting") return say("warn", `A conversation has been waiting ${span(hearing?.waiting_s ?? 0)} to be heard.`, others);
  if (hearing?.silent) return say("warn", `${but} no text comes of ${many(hearing.silent, "call")}.`, others);
  const head = `Hearing everything since ${moment(since)}`;
  const ailing = status.sinks.filter(({ state }) => state !== "running" && state !== "ended").map((sink) => sink.name);
  return !ailing.length ? say("good", head, "Nothing is being missed.")
    : say("warn", `${head}, but not everything is sent on.`, `Nothing is lost: what ${ailing.join(", ")} ${ailing.length === 1 ? "has" : "have"} not taken stays in the store.`);
}

const SINKS = { running: ["up to date"], retrying: ["trying again", "warn"], ended: ["its reader has gone"] };

// → a sink as a row of a panel.
export function sinkRow({ name, state, since, lag_events: events, lag_seconds: seconds, dead_letters: rejected, last_error: error }) {
  const running = state === "running", [words, tone] = running && events > 0 && seconds >= 5 ? ["catching up", "warn"] : SINKS[state] ?? [state, "bad"];
  const lag = events > 0 ? `${many(events, "event")}${seconds >= 1 ? ", " + span(seconds) : ""} behind` : "Nothing is waiting";
  return [name, running ? words : `${words} since ${moment(since)}`, tone, [lag, rejected && `${number(rejected)} rejected`, error].filter(Boolean).join(" · ")];
}

// → when something was not recorded, how long, and why.
export function gapWords({ started_at: from, ended_at: to, reason }) {
  const until = !to ? " until now" : "–" + (new Date(from).toDateString() === new Date(to).toDateString() ? clock(to) : moment(to));
  return { when: moment(from) + until, long: to ? span((Date.parse(to) - Date.parse(from)) / 1000) : "", why: reasonWords(reason) };
}

// → a line of the log for people: times of theirs, and our words for what is missing.
export const warningWords = (line) => line
  .replace(/gap recorded: (\S+) to (\S+) \(([a-z ]+)\)/, (all, from, to, reason) => `not recorded ${from}–${to} (${reasonWords(reason)})`)
  .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, (time) => moment(time));

// → rows of a panel, equal ones as one; `of` says what is equal, `at` where the time stands.
export const grouped = (list, of, at) => [...Map.groupBy(list, of)].map(([what, { 0: first, length }]) => [moment(first[at]), length > 1 && `${length} times`, "", what]);
