// What a conversation is made of, as pure functions: what was loaded, what comes while one looks, in which order it is
// shown. Everything may come twice and in any order; the newest revision counts.
import { gapWords } from "./verdict.mjs";

const LIVE_MS = 600000; // who said nothing for longer is not expected to go on

// → a conversation's state from the answer of /api/conversations/ID.
export function begin({ conversation, lines, participants, gaps, earlier = 0 }) {
  const state = { card: conversation, earlier, utterance: new Map(), participant: new Map(), gap: new Map() };
  state.card.live = !conversation.ended_at && Date.now() - Date.parse(conversation.last_spoken_at ?? conversation.started_at ?? "") < LIVE_MS;
  for (const event of [...lines, ...participants, ...gaps]) take(state, event);
  return state;
}

// Takes an event in; → whether it changed anything of this conversation.
export function take(state, event) {
  const ids = event.kind === "gap" ? event.conversation_ids : [event.conversation_id];
  if (ids && !ids.includes(state.card.id)) return false;
  if (event.kind === "conversation") {
    const live = event.state !== "ended", at = live ? "started_at" : "ended_at";
    state.card = { ...state.card, live, [at]: event.at ?? state.card[at] };
    return true;
  }
  const known = state[event.kind], before = known?.get(event.key);
  // All interim results of a line have one revision, and so have the begin and the end of a hole.
  const old = before && (before.revision > event.revision || (before.revision === event.revision && (before.ended_at || before.seq >= event.seq)));
  if (!known || old) return false;
  known.set(event.key, event);
  return true;
}

const lineTime = (line) => Date.parse(line.spoken_at ?? line.received_at);

// → { start, end } of the conversation in epoch milliseconds; `now` ends one that goes on.
export function span({ card, utterance }, now) {
  let start = Date.parse(card.started_at ?? "") || now;
  let end = Date.parse(card.ended_at ?? "") || (card.live ? now : 0);
  for (const line of utterance.values()) {
    start = Math.min(start, lineTime(line));
    end = Math.max(end, lineTime(line) + (line.duration_ms ?? 0));
  }
  return { start, end: Math.max(end, start + 1000) };
}

// → what is shown, in order of time: lines { type: "line", time, key, line, more }, holes { type: "gap", time, end, … } and
// who came and went { type: "note", time, … }. A line with `more` goes on what its speaker said just before.
export function items(state) {
  const { start, end } = span(state, Date.now());
  const list = [];
  for (const line of state.utterance.values()) {
    if (line.text || !line.is_final) list.push({ type: "line", time: lineTime(line), key: "l" + line.key, line });
  }
  for (const gap of state.gap.values()) {
    const from = Date.parse(gap.started_at), to = gap.ended_at ? Date.parse(gap.ended_at) : Infinity;
    if (from < end && to > start) list.push({ type: "gap", time: Math.max(from, start), end: to, key: "g" + gap.key, ...gapWords(gap) });
  }
  list.push(...notes(state));
  list.sort((one, other) => one.time - other.time || (one.line?.seq ?? 0) - (other.line?.seq ?? 0));
  let before = null;
  for (const item of list) {
    const voice = item.line && item.line.speaker + " " + item.line.participant_id;
    item.more = voice === before;
    before = voice;
  }
  return list;
}

// Who came and went: transfers and consults are seen by it.
function notes({ card, participant }) {
  const found = [{ who: "The conversation", what: "ended", at: card.ended_at, key: "end" }];
  for (const { purpose, user_name, queue_name, joined_at, left_at, key } of participant.values()) {
    if (purpose !== "agent" && purpose !== "user") continue;
    const who = user_name ?? "An agent";
    found.push({ who, what: "joined" + (queue_name ? ` · ${queue_name}` : ""), at: joined_at, key: "j" + key });
    found.push({ who, what: "left", at: left_at, key: "p" + key });
  }
  return found.filter((note) => note.at).map((note) => ({ type: "note", time: Date.parse(note.at), ...note }));
}

export const lane = ({ speaker }) => (speaker === "agent" || speaker === "customer" ? speaker : "other");

// How long a line took to say; where nobody told, as long as such a text takes to say.
export const length = (line) => line.duration_ms ?? Math.min(20000, 400 + (line.text?.length ?? 0) * 60);
