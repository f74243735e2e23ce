// What the server says of itself, in words for people. Pure: from an answer of /api/status to sentences.
import { clock } from "./time.mjs";
import { reasonWords } from "./names.mjs";

const NEAR = 0.9; // from that share of a limit on, it is told

const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const sameDay = (one, other) => new Date(one).toDateString() === new Date(other).toDateString();

// A moment as one says it: the time, and the day where that is not today's.
export function moment(iso) {
  if (Number.isNaN(Date.parse(iso))) return "–";
  return sameDay(iso, Date.now()) ? clock(iso) : `${DAY.format(new Date(iso))}, ${clock(iso)}`;
}
export const many = (count, one, more) => `${number(count)} ${count === 1 ? one : more}`;
export const number = (value) => value.toLocaleString("en");

export function span(seconds) {
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

export function size(bytes) {
  const [unit, by] = [["TB", 1e12], ["GB", 1e9], ["MB", 1e6], ["kB", 1e3]].find(([, least]) => bytes >= least) ?? ["kB", 1e3];
  const value = bytes / by;
  return `${value < 10 && by > 1e3 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

// → { tone: "good" | "warn" | "bad" | "idle", head, more }: the sentence that matters, and what it means.
export function verdict({ running, status, ready }) {
  if (!running || !status) {
    return { tone: "idle", head: "Nothing is being recorded by this store now.", more: "What was recorded before can be read and searched." };
  }
  if (status.store_full_since) {
    return { tone: "bad", head: `Not recording since ${moment(status.store_full_since)}: the disk is full.`,
      more: "What is said now is not recorded. Free some room, or keep less of what is old (--keep)." };
  }
  if (!status.connected) return notConnected(status);
  const hearing = status.hearing;
  if (hearing?.unheard) {
    return { tone: "warn", head: `Connected since ${moment(status.since)}, but ${many(hearing.unheard, "conversation is", "conversations are")} not heard.`,
      more: "What is said in the others is recorded." };
  }
  if (ready?.reason === "waiting") {
    return { tone: "warn", head: `A conversation has been waiting ${span(hearing?.waiting_s ?? 0)} to be heard.`, more: "All others are recorded." };
  }
  const ailing = status.sinks.filter((sink) => sink.state !== "running" && sink.state !== "ended");
  const head = `Hearing everything since ${moment(status.since)}`;
  if (!ailing.length) return { tone: "good", head, more: "Nothing is being missed." };
  return { tone: "warn", head: `${head}, but not everything is sent on.`,
    more: `Nothing is lost: what ${ailing.map((sink) => sink.name).join(", ")} ${ailing.length === 1 ? "has" : "have"} not taken stays in the store.` };
}

function notConnected(status) {
  const why = sentence(status.why);
  if (!status.missing_since) return { tone: "warn", head: why ? `Connecting: ${why}` : "Connecting…", more: "Nothing is recorded before that." };
  return { tone: "bad", head: `Not hearing since ${moment(status.missing_since)}${why ? ": " + why : "."}`, more: "What is said now is not recorded." };
}

const sentence = (text) => (text ? text.trim().replace(/\.*$/, ".") : "");

// → what a sink does, and how that is: [words, tone].
export function sinkWords(sink) {
  const since = ` since ${moment(sink.since)}`;
  if (sink.state === "running") return sink.lag_events > 0 && sink.lag_seconds >= 5 ? ["catching up", "warn"] : ["up to date", "good"];
  if (sink.state === "retrying") return ["trying again" + since, "warn"];
  if (sink.state === "paused") return ["paused" + since, "bad"];
  if (sink.state === "ended") return ["its reader has gone" + since, "idle"];
  return [sink.state + since, "bad"];
}

export function behind(sink) {
  if (!sink.lag_events) return "nothing";
  return many(sink.lag_events, "event", "events") + (sink.lag_seconds >= 1 ? ", " + span(sink.lag_seconds) : "");
}

// → the limits, as bars: [{ name, value, limit, near }].
export function limits(hearing) {
  if (!hearing) return [];
  // A channel takes a thousand topics; that is the platform's rule, and where our limit of topics comes from.
  const channels = hearing.channels_limit ?? Math.round(hearing.topics_limit / 1000);
  return [["Topics", hearing.topics, hearing.topics_limit], ["Channels", hearing.channels, channels]]
    .filter(([, , limit]) => limit > 0)
    .map(([name, value, limit]) => ({ name, value, limit, near: value >= limit * NEAR }));
}

export function gapWords(gap) {
  const from = moment(gap.started_at);
  const until = gap.ended_at && (sameDay(gap.started_at, gap.ended_at) ? clock(gap.ended_at) : moment(gap.ended_at));
  return { when: from + (until ? "–" + until : " until now"), long: gap.ended_at ? span((Date.parse(gap.ended_at) - Date.parse(gap.started_at)) / 1000) : "", why: reasonWords(gap.reason) };
}

// → a line of the log for people: times of theirs, and our words for what is missing.
export function warningWords(line) {
  return line
    .replace(/gap recorded: (\S+) to (\S+) \(([a-z ]+)\)/, (all, from, to, reason) => `not recorded ${from}–${to} (${reasonWords(reason)})`)
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, moment);
}

// → equal entries as one, newest first: [{ name, count, at }]; `of` names what is equal.
export function grouped(list, of, at) {
  const groups = new Map();
  for (const one of list) {
    const name = of(one), known = groups.get(name);
    if (!known) groups.set(name, { name, count: 1, at: one[at], first: one });
    else { known.count += 1; if (one[at] > known.at) known.at = one[at]; }
  }
  return [...groups.values()].sort((one, other) => (one.at < other.at ? 1 : -1));
}
