// What a conversation is made of. All may come twice and in any order; the newest revision counts.
import { mediaName } from "./names.mjs";
import { dateTime } from "./time.mjs";
import { gapWords } from "./verdict.mjs";

// → the state of a loaded one. `times` are those of its lines that were known first: a newer revision may tell another, but
// lines keep their places under a reader's eyes.
export function begin({ conversation: card, lines, participants, gaps, earlier }, times) {
  const state = { card, earlier, times, utterance: new Map(), participant: new Map(), gap: new Map() };
  for (const event of [...lines, ...participants, ...gaps]) take(state, event);
  return state;
}

// → whether the event changed anything of it.
export function take(state, event) {
  const { kind, key, revision } = event, ids = kind === "gap" ? event.conversation_ids : [event.conversation_id];
  if (ids && !ids.includes(state.card.id)) return false;
  if (kind === "conversation") return true; // its card knows
  const known = state[kind], before = known.get(key);
  // All interim results of a line have one revision, and so have the begin and the end of a hole.
  if (before && (before.revision > revision || (before.revision === revision && (before.ended_at || before.seq >= event.seq)))) return false;
  if (kind === "utterance" && !state.times.has(key)) state.times.set(key, Date.parse(event.spoken_at ?? event.received_at));
  known.set(key, event);
  return true;
}

// → { start, end } of the conversation in epoch milliseconds; `now` ends one that goes on, and is 0 of others.
export function span({ card, utterance, times }, now) {
  let start = Date.parse(card.started_at) || Date.now(), end = Date.parse(card.ended_at) || now;
  for (const { key, duration_ms: long } of utterance.values()) {
    start = Math.min(start, times.get(key));
    end = Math.max(end, times.get(key) + (long ?? 0));
  }
  return { start, end: Math.max(end, start + 1000) };
}

// → what is shown, in order of time: holes { time, key, end, hole }, notes { time, key, who, what, queue }, lines
// { time, key, line, more }; one with `more` goes on what its speaker said just before.
export function items(state, now) {
  const { start, end } = span(state, now), list = notes(state);
  for (const gap of state.gap.values()) {
    const from = Date.parse(gap.started_at), to = Date.parse(gap.ended_at) || Infinity, { when, why } = gapWords(gap);
    if (from < end && to > start) list.push({ time: Math.max(from, start), end: to, key: "g" + gap.key, hole: `Not recorded ${when} (${why})` });
  }
  for (const line of state.utterance.values()) {
    if (line.text || !line.is_final) list.push({ time: state.times.get(line.key), key: "l" + line.key, line, voice: line.speaker + line.participant_id });
  }
  list.sort((one, other) => one.time - other.time);
  return list.map((item, at) => ({ ...item, more: item.line && item.voice === list[at - 1]?.voice }));
}

// Who came and went: transfers and consults are seen by it.
function notes({ card, participant }) {
  const found = [{ key: "end", who: "The conversation", what: "ended", time: card.ended_at }];
  for (const { purpose, user_name, queue_name: queue, joined_at, left_at, key } of participant.values()) {
    const who = user_name ?? "An agent";
    if (purpose === "agent" || purpose === "user") found.push({ key: "j" + key, who, what: "joined", queue, time: joined_at }, { key: "p" + key, who, what: "left", time: left_at });
  }
  return found.filter(({ time }) => time).map((note) => ({ ...note, time: Date.parse(note.time) }));
}

// → whose and what a card is.
export const names = ({ agents }) => agents.map(({ name }) => name).filter(Boolean).join(", ") || (agents.length ? "Agent" : "No agent");
export const about = (card) => [...card.queues.map(({ name }) => name && `\u2068${name}\u2069`), mediaName(card.media_type), card.direction, dateTime(card.started_at ?? card.first_spoken_at)].filter(Boolean).join(" · ");

export const lane = ({ speaker }) => (["agent", "customer"].includes(speaker) ? speaker : "other");

// How long a line took to say, as told or as such a text takes.
export const length = (line) => line.duration_ms ?? Math.min(20000, 400 + (line.text?.length ?? 0) * 60);
