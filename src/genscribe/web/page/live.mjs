// What happens now, once for the whole page: the stream of events, the wall's cards, the pulse.
import { useEffect, useState } from "./ui.mjs";
import { ask } from "./api.mjs";

const RECENT = 1000; // last events: what is loaded may be older than the stream
const MARGIN = 300; // so many from before the cards: a view may have been loaded sooner
const ENDED = 40; // so many that ended stay on the wall
const LATE_MS = 60000; // and all so long: late lines would bring them back
const TALKING_MS = 6000; // who spoke so lately is talking
const ANEW_MS = 120000; // all cards are loaded so often: some end without a word
const SILENT_MS = 20000; // a stream that says nothing for so long is dead
const AGAIN_MS = 2000;

const joining = (all) => (fn) => { all.add(fn); return () => all.delete(fn); };

class Live {
  cards = new Map(); // by id: the API's, with `touched` (heard last), `gone` (since when it is over), `lit`, `talk`
  pulse = null;
  state = "starting"; // "open", "lost"
  error = null; // what the server said, in words
  head = 0; // up to which the cards were loaded
  recent = [];
  #seq = 0; // of the stream
  #heard = 0; // when it said anything
  #store;
  #source;
  #turn = 0; // of loading: only the last one counts
  #again;
  #frame;
  #changed = new Set();
  #drawers = new Set();
  #hearers = new Set();
  #loaders = new Set();

  start() {
    this.#load();
    setInterval(() => { if (this.state === "open") this.#load(); }, ANEW_MS);
    setInterval(() => {
      this.#trim();
      if (this.state !== "open" || Date.now() - this.#heard < SILENT_MS) return;
      this.#source.close();
      this.#lost();
    }, 1000);
  }

  subscribe = joining(this.#drawers); // fn(ids of cards that changed), at most once a frame
  onEvents = joining(this.#hearers); // fn(events): each once and in order
  onReset = joining(this.#loaders); // fn(): what was loaded counts no more

  // Has what shows these cards drawn.
  redraw(...ids) {
    for (const id of ids) this.#changed.add(id);
    this.#frame ||= requestAnimationFrame(() => {
      const changed = this.#changed;
      [this.#changed, this.#frame] = [new Set(), 0];
      for (const fn of this.#drawers) fn(changed);
    });
  }

  async #load() {
    clearTimeout(this.#again);
    const turn = ++this.#turn;
    try {
      const [now, past] = await Promise.all([{ live: "yes" }, { live: "no", limit: ENDED }].map((which) => ask("conversations", which)));
      if (turn !== this.#turn) return;
      this.error = null;
      this.head = now.head;
      const going = new Set(now.conversations.map((card) => this.#put(card)));
      for (const card of past.conversations) this.#put(card);
      // Who does not go on, and is not newer, has ended, perhaps without a word.
      for (const card of this.cards.values()) if (!going.has(card.id) && !(card.seq > now.head)) card.gone ??= Date.parse(card.ended_at) || card.touched || 1;
      for (const event of this.recent) this.#card(event);
      this.#trim();
      this.#seq ||= Math.max(0, now.head - MARGIN);
      if (this.#source?.readyState === EventSource.OPEN) this.state = "open";
      else this.#listen();
    } catch (error) {
      if (turn !== this.#turn) return;
      if (error.status === 401) location.reload(); // the server asks for the token then
      this.error = error.status ? error.message : null;
      this.#lost();
    }
    this.redraw(...this.cards.keys());
  }

  #put(card) {
    const { touched = 0, ...mine } = this.cards.get(card.id) ?? {}, heard = Date.parse(card.last?.spoken_at ?? card.started_at) || 0;
    this.cards.set(card.id, { ...mine, ...card, gone: null, touched: Math.max(touched, heard) });
    return card.id;
  }

  // Of those that ended the last ones stay, and who is lit.
  #trim() {
    const ended = [...this.cards.values()].filter(({ gone, lit }) => gone && !lit).sort((one, other) => other.gone - one.gone);
    for (const { id, gone } of ended.slice(ENDED)) if (gone < Date.now() - LATE_MS) this.cards.delete(id);
  }

  #lost() {
    this.state = "lost";
    clearTimeout(this.#again);
    this.#again = setTimeout(() => this.#load(), AGAIN_MS);
    this.redraw();
  }

  #listen() {
    this.#source?.close();
    this.#source = new EventSource("/api/events?after=" + this.#seq);
    const on = (name, fn) => this.#source.addEventListener(name, (event) => {
      this.#heard = Date.now();
      fn(event.data && JSON.parse(event.data));
      this.redraw();
    });
    on("open", () => { this.state = "open"; });
    // The browser asks again for a stream that broke off, but not for one that was refused.
    on("error", () => { if (this.#source.readyState === EventSource.CLOSED) this.#lost(); else this.state = "lost"; });
    on("status", (pulse) => { this.pulse = pulse; });
    on("events", (events) => this.#take(events));
    on("reset", ({ head }) => this.#anew(head));
    on("hello", ({ store }) => {
      if (store !== (this.#store ??= store)) location.reload();
    });
  }

  // The stream has left something out.
  #anew(head) {
    this.#seq = head;
    this.recent = [];
    for (const card of this.cards.values()) card.talk = null;
    this.#load();
    for (const fn of this.#loaders) fn();
  }

  #take(events) {
    const fresh = events.filter((event) => event.seq > this.#seq);
    if (!fresh.length) return;
    this.#seq = fresh.at(-1).seq;
    this.recent = [...this.recent, ...fresh].slice(-RECENT);
    for (const event of fresh) this.#card(event);
    for (const fn of this.#hearers) fn(fresh);
  }

  #card(event) {
    const id = event.conversation_id;
    if (event.kind === "gap" || id == null || event.seq <= this.head) return;
    const card = this.cards.get(id) ?? { id, agents: [], queues: [], gone: null, touched: Date.now() };
    card.seq = event.seq;
    HEAR[event.kind](card, event);
    this.cards.set(id, card);
    this.#changed.add(id);
  }
}

// One of the queues or agents of a card.
function told(all, id, name) {
  const known = all.find((one) => one.id === id);
  if (known) known.name = name ?? known.name;
  else if (id || name) all.push({ id, name });
}

const HEAR = {
  utterance(card, line) {
    card.media_type ??= line.media_type;
    card.first_spoken_at ??= line.spoken_at;
    card.touched = Date.now();
    if (!card.ended_at) card.gone = null;
    if (line.key === card.last?.key || !(line.spoken_at < card.last?.spoken_at)) card.last = line;
  },
  participant(card, { purpose, user_id, user_name, queue_id, queue_name }) {
    told(card.queues, queue_id, queue_name);
    if (purpose === "agent") told(card.agents, user_id, user_name);
  },
  conversation(card, { state, at, media_type, queue_id }) {
    card.media_type ??= media_type;
    told(card.queues, queue_id);
    if (state === "started") card.started_at ??= at;
    else { card.ended_at ??= at; card.gone ??= Date.now(); }
  },
};

// Whether somebody talks there now.
export const talking = (card, now) => !card.gone && now - card.touched < TALKING_MS;

export const live = new Live();

// → what `select(live)` picks; another value is drawn.
export function useLive(select) {
  const [value, set] = useState(() => select(live));
  useEffect(() => live.subscribe(() => set(select(live))), []);
  return value;
}
