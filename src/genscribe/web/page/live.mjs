// What happens now, once for the whole page: one stream of events, the cards of conversations in progress, the pulse.
// Views ask it and are told at most once a frame; each event reaches them in order and once.
import { useEffect, useRef, useState } from "./ui.mjs";
import { ask, listen } from "./api.mjs";

const SEEN = 20000; // keys remembered to drop what comes twice
const RECENT = 1000; // last events that who comes later is told: what a view loads may be a moment older than the stream
const MARGIN = 300; // and so many from before the cards, as a view may have been loaded sooner than they
const ENDED = 100; // so many that ended are kept at hand
const FADE_MS = 10000; // an ended one stays among those in progress for so long
const QUIET_MS = 6000; // who says nothing for so long begins anew when he speaks: until then a card keeps its place
const CHECK_MS = 120000; // how often it is asked whether all that seem in progress are

class Live {
  cards = new Map();
  ended = new Map(); // the last ones, in order of their ends
  pulse = null;
  state = "starting";
  error = null;
  #seq = 0; // of the stream
  head = 0; // up to which the cards were loaded
  #store = null;
  #source = null;
  #seen = new Map();
  #watchers = new Set();
  #hearers = new Set();
  #loaders = new Set();
  recent = [];
  #dirty = new Set();
  #gone = new Set();
  #frame = 0;
  #loading = null;
  #turn = 0;

  start() {
    this.#load();
    setInterval(() => this.#fade(), 1000);
    setInterval(() => { if (!document.hidden && this.state === "open") this.#check(); }, CHECK_MS);
  }

  card(id) { return this.cards.get(id) ?? this.ended.get(id); }

  // A view that wants to draw; `fn(dirty)` gets the ids of cards that changed.
  subscribe(fn) { this.#watchers.add(fn); return () => this.#watchers.delete(fn); }

  // All events to come, and first the last ones: a view that loads its part meanwhile misses none.
  onEvents(fn) {
    this.#hearers.add(fn);
    if (this.recent.length) fn([...this.recent]);
    return () => this.#hearers.delete(fn);
  }

  onReset(fn) { this.#loaders.add(fn); return () => this.#loaders.delete(fn); }

  // `listening`: the stream begins anew as well.
  async #load(listening = true) {
    clearTimeout(this.#loading);
    const turn = ++this.#turn;
    try {
      const [answer, past] = await Promise.all([ask("conversations", { live: "yes" }), ask("conversations", { live: "no", limit: 50 }).catch(() => ({ conversations: [] }))]);
      if (turn !== this.#turn) return;
      this.cards.clear();
      for (const card of answer.conversations) this.cards.set(card.id, known(card));
      for (const card of past.conversations.sort((one, other) => ends(one) - ends(other))) this.#end(known(card));
      this.error = null;
      this.head = answer.head;
      for (const event of this.recent) this.#card(event);
      if (listening) this.#listen(Math.max(0, answer.head - MARGIN));
      this.#told();
    } catch (error) {
      if (turn !== this.#turn) return;
      // The server asks for the token then, with a form of its own.
      if (error.status === 401) { location.reload(); return; }
      this.error = error.status ? error.message : null;
      this.state = "lost";
      this.#told();
      this.#loading = setTimeout(() => this.#load(listening), 2000);
    }
  }

  // Finds what ended without a word, and the names that no event brought.
  async #check() {
    const asked = Date.now(), turn = this.#turn;
    try {
      const { conversations } = await ask("conversations", { live: "yes" });
      if (turn !== this.#turn) return;
      const there = new Set();
      for (const card of conversations) {
        there.add(card.id);
        const mine = this.cards.get(card.id);
        if (!mine) { if (!this.ended.has(card.id)) this.cards.set(card.id, known(card)); continue; }
        for (const name of ["queue_id", "queue_name", "started_at", "media_type", "direction"]) mine[name] ??= card[name];
        if (card.agents.length > mine.agents.length) mine.agents = card.agents;
        this.#dirty.add(card.id);
      }
      for (const card of [...this.cards.values()]) if (!there.has(card.id) && card.touched < asked - 5000) this.#end(card);
      this.#told();
    } catch { /* the stream says when the server is gone */ }
  }

  #end(card) {
    this.cards.delete(card.id);
    this.ended.delete(card.id);
    this.ended.set(card.id, card);
    if (this.ended.size > ENDED) this.ended.delete(this.ended.keys().next().value);
  }

  #fade() {
    for (const id of this.#gone) {
      const card = this.cards.get(id);
      if (card && Date.now() - card.gone < FADE_MS) continue;
      this.#gone.delete(id);
      if (card) { this.#end(card); this.#dirty.add(id); this.#told(); }
    }
  }

  #listen(after) {
    this.#source?.close();
    this.#source = listen(after, {
      events: (events, seq) => this.#take(events, seq),
      hello: ({ store }) => {
        const other = this.#store && store !== this.#store;
        this.#store = store;
        if (other) this.#anew(true);
      },
      reset: ({ head }) => this.#anew(false, head),
      status: (pulse) => { this.pulse = pulse; this.#told(); },
      state: (state) => {
        this.state = state;
        // A stream that is refused (a cookie that ended) does not come back by itself.
        if (state === "lost" && this.#source.readyState === 2) this.#loading = setTimeout(() => this.#load(), 2000);
        this.#told();
      },
    });
  }

  // What was loaded is of another store, or the stream has left something out.
  #anew(listening, head = 0) {
    if (listening) this.#source.close();
    this.#seq = head;
    this.#seen.clear();
    this.recent = [];
    this.#load(listening);
    for (const fn of this.#loaders) fn();
  }

  #take(events, seq) {
    const fresh = events.filter((event) => event.seq > this.#seq && this.#first(event));
    this.#seq = Math.max(this.#seq, seq);
    if (!fresh.length) return;
    for (const event of fresh) this.#card(event);
    this.recent.push(...fresh);
    if (this.recent.length > 2 * RECENT) this.recent = this.recent.slice(-RECENT);
    for (const fn of this.#hearers) fn(fresh);
    this.#told();
  }

  #first(event) {
    const before = this.#seen.get(event.key);
    // All interim results of a line have revision 0.
    if (before !== undefined && before >= event.revision && event.revision > 0 || before > event.revision) return false;
    this.#seen.delete(event.key);
    this.#seen.set(event.key, event.revision);
    if (this.#seen.size > SEEN) this.#seen.delete(this.#seen.keys().next().value);
    return true;
  }

  #card(event) {
    const id = event.conversation_id;
    if (event.kind === "gap" || id == null || event.seq <= this.head) return;
    let card = this.card(id);
    if (!card) {
      card = { id, media_type: event.media_type ?? null, direction: null, queue_id: null, queue_name: null, started_at: null, ended_at: null,
        first_spoken_at: null, last_spoken_at: null, lines: 0, agents: [], last: null, touched: 0, since: 0 };
      this.cards.set(id, card);
    }
    this.#dirty.add(id);
    if (event.kind === "utterance") this.#line(card, event);
    else if (event.kind === "participant") this.#person(card, event);
    else {
      card.media_type ??= event.media_type;
      card.direction ??= event.direction;
      card.queue_id ??= event.queue_id;
      if (event.state === "started") card.started_at ??= event.at;
      else { card.ended_at ??= event.at; card.gone ??= Date.now(); this.#gone.add(id); }
      card.touched ||= Date.now();
      card.since ||= card.touched;
    }
  }

  #line(card, line) {
    if (line.revision <= 1 && line.is_final) card.lines += 1;
    card.media_type ??= line.media_type;
    card.first_spoken_at ??= line.spoken_at;
    if (!card.last || (line.spoken_at ?? "") >= (card.last.spoken_at ?? "") || card.last.key === line.key) {
      card.last = line;
      card.last_spoken_at = line.spoken_at ?? card.last_spoken_at;
    }
    const now = Date.now();
    if (now - card.touched > QUIET_MS) card.since = now;
    card.touched = now;
  }

  #person(card, person) {
    card.queue_id ??= person.queue_id;
    if (person.queue_name && (person.queue_id === card.queue_id || !card.queue_name)) card.queue_name = person.queue_name;
    if (person.purpose === "agent" && person.user_id && !card.agents.some((one) => one.id === person.user_id && one.name)) {
      card.agents = [...card.agents.filter((one) => one.id !== person.user_id), { id: person.user_id, name: person.user_name }];
    }
  }

  // Has cards drawn anew.
  redraw(ids) {
    for (const id of ids) this.#dirty.add(id);
    this.#told();
  }

  #told() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      const dirty = this.#dirty;
      this.#dirty = new Set();
      for (const fn of this.#watchers) fn(dirty);
    });
  }
}

const ends = (card) => Date.parse(card.ended_at ?? card.last_spoken_at ?? "") || 0;

// A card from the server, with when it was last touched and since when it is talked in.
function known(card) {
  const touched = Date.parse(card.last?.spoken_at ?? card.started_at ?? "") || 0;
  return { ...card, touched, since: touched };
}

// Whether somebody talks there now.
export const talking = (card, now) => !card.gone && now - card.touched < QUIET_MS;

export const live = new Live();

// What `select` picks, drawn anew when it is another value.
export function useLive(select) {
  const [, redraw] = useState(0);
  const value = select(live);
  const known = useRef(value);
  known.current = value;
  useEffect(() => live.subscribe(() => {
    if (!Object.is(select(live), known.current)) redraw((count) => count + 1);
  }), []);
  return value;
}
