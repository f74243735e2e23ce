// What a conversation is made of, as pure functions: what was loaded, what comes while one looks, in which order it is
// shown. Everything may come twice and in any order; the newest revision of a line counts.

// → a conversation's state from the answer of /api/conversations/ID.
export function begin(answer) {
  const card = { ...answer.conversation, live: goesOn(answer.conversation, Date.now()) };
  const state = { head: answer.head, card, lines: new Map(), people: new Map(), holes: new Map(), earlier: answer.earlier ?? 0 };
  for (const line of answer.lines) state.lines.set(line.key, line);
  for (const person of answer.participants) state.people.set(person.key, person);
  for (const hole of answer.gaps) state.holes.set(hole.key, hole);
  return state;
}

// Whether a conversation seems to go on: nobody told its end, and something was said in the last ten minutes.
export function goesOn(card, now) {
  const heard = Date.parse(card.last_spoken_at ?? card.started_at ?? "");
  return !card.ended_at && now - heard < 600000;
}

// Takes an event in; → whether it changed anything of this conversation.
export function take(state, event) {
  if (event.kind === "gap") {
    const ids = event.conversation_ids;
    if (ids && !ids.includes(state.card.id)) return false;
    return newer(state.holes, event);
  }
  if (event.conversation_id !== state.card.id) return false;
  if (event.kind === "utterance") return newer(state.lines, event);
  if (event.kind === "participant") return newer(state.people, event);
  if (event.kind === "conversation") {
    const at = event.state === "ended" ? "ended_at" : "started_at";
    state.card = { ...state.card, [at]: event.at ?? state.card[at], live: event.state !== "ended" };
    return true;
  }
  return false;
}

function newer(known, event) {
  const before = known.get(event.key);
  if (before && (before.revision > event.revision || (before.revision === event.revision && before.ended_at))) return false;
  if (before && before.revision === event.revision && before.seq === event.seq) return false;
  known.set(event.key, event);
  return true;
}

const at = (text) => (text ? Date.parse(text) : NaN);
export const lineTime = (line) => at(line.spoken_at ?? line.received_at);

// → { start, end } of the conversation in epoch milliseconds; `now` ends one that goes on.
export function span(state, now) {
  let start = Infinity, end = -Infinity;
  for (const line of state.lines.values()) {
    const time = lineTime(line);
    if (Number.isNaN(time)) continue;
    start = Math.min(start, time);
    end = Math.max(end, time + (line.duration_ms ?? 0));
  }
  const began = at(state.card.started_at);
  if (began < start) start = began;
  const ended = at(state.card.ended_at);
  if (!Number.isNaN(ended)) end = Math.max(end, ended);
  else if (state.card.live) end = Math.max(end, now);
  if (start === Infinity) start = now;
  return { start, end: Math.max(end, start + 1000) };
}

// → what is shown, in order of time: { type: "line" | "hole" | "note", time, key, … }. A line of the same speaker right
// after another has `more`: it needs no name.
export function items(state) {
  const list = [];
  for (const line of state.lines.values()) {
    if (line.text || !line.is_final) list.push({ type: "line", time: lineTime(line), key: "l" + line.key, line });
  }
  const { start, end } = span(state, Date.now());
  for (const hole of state.holes.values()) {
    const from = at(hole.started_at), to = hole.ended_at ? at(hole.ended_at) : Infinity;
    if (from < end && to > start) list.push({ type: "hole", time: Math.max(from, start), key: "h" + hole.key, hole });
  }
  for (const note of notes(state)) list.push(note);
  // A line without a time stays where it was heard: behind all that was heard before it.
  let last = start;
  list.sort((one, other) => (one.line?.seq ?? 0) - (other.line?.seq ?? 0));
  for (const item of list) {
    if (Number.isNaN(item.time)) item.time = last;
    else if (item.type === "line") last = item.time;
  }
  list.sort((one, other) => one.time - other.time || (one.line?.seq ?? 0) - (other.line?.seq ?? 0));
  let before = null;
  for (const item of list) {
    if (item.type !== "line") { before = null; continue; }
    const voice = item.line.speaker + " " + (item.line.participant_id ?? "");
    item.more = voice === before;
    before = voice;
  }
  return list;
}

// Who came and went: transfers and consults are seen by it.
function notes(state) {
  const found = [];
  for (const person of state.people.values()) {
    if (person.purpose !== "agent" && person.purpose !== "user") continue;
    const who = { name: person.user_name, queue: person.queue_name };
    if (person.joined_at) found.push({ type: "note", what: "joined", time: at(person.joined_at), key: "j" + person.key, ...who });
    if (person.left_at) found.push({ type: "note", what: "left", time: at(person.left_at), key: "p" + person.key, ...who });
  }
  if (state.card.ended_at) found.push({ type: "note", what: "ended", time: at(state.card.ended_at), key: "end" });
  return found.filter((note) => !Number.isNaN(note.time));
}

// → what share of the spoken time is whose: { agent, customer, other } in milliseconds.
export function talk(state) {
  const total = { agent: 0, customer: 0, other: 0 };
  for (const line of state.lines.values()) total[lane(line)] += length(line);
  return total;
}

export const lane = (line) => (line.speaker === "agent" || line.speaker === "customer" ? line.speaker : "other");

// How long a line took to say; where nobody told, as long as such a text takes to say.
export const length = (line) => line.duration_ms ?? Math.min(20000, 400 + (line.text?.length ?? 0) * 60);
