// What happens now, once for the whole page: one stream of events, the cards of conversations in progress, the pulse.
// Views ask it and are told at most once a frame; each event reaches them in order and once.
import { useEffect, useRef, useState } from "./ui.mjs";
import { ask, listen } from "./api.mjs";

const SEEN = 20000; // keys remembered to drop what comes twice

class Live {
  cards = new Map();
  pulse = null;
  state = "starting";
  error = null;
  #seq = 0;
  #store = null;
  #source = null;
  #seen = new Map();
  #watchers = new Set();
  #hearers = new Set();
  #loaders = new Set();
  #dirty = new Set();
  #frame = 0;
  #loading = null;

  start() {
    if (!this.#source) this.#load();
  }

  // A view that wants to draw; `fn(dirty)` gets the ids of cards that changed.
  subscribe(fn) { this.#watchers.add(fn); return () => this.#watchers.delete(fn); }
  onEvents(fn) { this.#hearers.add(fn); return () => this.#hearers.delete(fn); }
  onReset(fn) { this.#loaders.add(fn); return () => this.#loaders.delete(fn); }

  async #load() {
    clearTimeout(this.#loading);
    try {
      const answer = await ask("conversations", { live: "yes" });
      this.cards.clear();
      for (const card of answer.conversations) this.cards.set(card.id, { ...card, touched: Date.parse(card.last?.spoken_at ?? card.started_at ?? "") || 0 });
      this.error = null;
      this.#seq = Math.max(answer.head, 0);
      this.#listen(answer.head);
      this.#told();
    } catch (error) {
      if (error.status === 401) { location.reload(); return; }
      this.error = error.message;
      this.state = "lost";
      this.#told();
      this.#loading = setTimeout(() => this.#load(), 2000);
    }
  }

  #listen(after) {
    this.#source?.close();
    this.#source = listen(after, {
      events: (events, seq) => this.#take(events, seq),
      hello: ({ store, head }) => {
        const other = (this.#store && store !== this.#store) || head < this.#seq;
        this.#store = store;
        if (other) this.#anew();
      },
      reset: () => this.#anew(),
      status: (pulse) => { this.pulse = pulse; this.#told(); },
      state: (state) => {
        this.state = state;
        // A stream that is refused (a cookie that ended) does not come back by itself.
        if (state === "lost" && this.#source.readyState === 2) this.#loading = setTimeout(() => this.#load(), 2000);
        this.#told();
      },
    });
  }

  #anew() {
    this.#source?.close();
    this.#source = null;
    this.#seq = 0;
    this.#seen.clear();
    this.#load();
    for (const fn of this.#loaders) fn();
  }

  #take(events, seq) {
    const fresh = events.filter((event) => event.seq > this.#seq && this.#first(event));
    this.#seq = Math.max(this.#seq, seq);
    for (const event of fresh) this.#card(event);
    if (!fresh.length) return;
    for (const fn of this.#hearers) fn(fresh);
    this.#told();
  }

  #first(event) {
    const before = this.#seen.get(event.key);
    if (before !== undefined && before >= event.revision) return false;
    this.#seen.delete(event.key);
    this.#seen.set(event.key, event.revision);
    if (this.#seen.size > SEEN) this.#seen.delete(this.#seen.keys().next().value);
    return true;
  }

  #card(event) {
    const id = event.conversation_id;
    if (event.kind === "gap" || id == null) return;
    let card = this.cards.get(id);
    if (!card) {
      card = { id, media_type: event.media_type ?? null, direction: null, queue_id: null, queue_name: null, started_at: null, ended_at: null,
        first_spoken_at: null, last_spoken_at: null, lines: 0, agents: [], last: null, touched: 0 };
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
      else { card.ended_at = event.at; card.gone = Date.now(); }
      card.touched ||= Date.now();
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
    card.touched = Date.now();
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

  // Takes a card from the wall for good.
  forget(id) { this.cards.delete(id); }

  #told() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      const dirty = this.#dirty;
      this.#dirty = new Set();
      for (const fn of this.#watchers) fn(dirty);
    });
  }
}

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
