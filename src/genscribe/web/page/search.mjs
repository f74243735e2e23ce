// Search, while one types.
import { html, useEffect, useRef, useState } from "./ui.mjs";
import { ask } from "./api.mjs";
import { about, lane, names } from "./dialogue.mjs";
import { stepping, useKeys } from "./keys.mjs";
import { speakerName } from "./names.mjs";
import { named } from "./order.mjs";
import { asSearch, conversationUrl, follow, go } from "./route.mjs";
import { clock } from "./time.mjs";
import { menus } from "./tools.mjs";
import { failed, many } from "./verdict.mjs";

const TYPING_MS = 120;
const FILTERS = { since: "", until: "", queue: "", agent: "", speaker: "", media_type: "" };
const NOTHING = { results: [] };
const NOBODY = { id: "", agents: [], queues: [] }; // of lines without a conversation

export function Search({ route }) {
  const chosen = { q: "", in: "", ...FILTERS };
  for (const name in chosen) chosen[name] = route.query.get(name) ?? "";
  const url = (changes) => "/search" + asSearch({ ...chosen, ...changes });
  const set = (changes) => go(url(changes), { replace: true });
  const { results, next, told, more } = useResults(chosen);
  const box = useRef(), list = useRef();
  const type = () => { box.current.focus(); box.current.select(); };
  useEffect(type, []);
  const step = stepping(list, "a.hit");
  const keys = { ArrowDown: () => step(1), Escape: () => (chosen.q ? set({ q: "" }) : go("/")) };
  useKeys({ j: () => step(1), k: () => step(-1), "/": type, Escape: () => go("/") });
  const where = (value, name) => html`<a href=${url({ in: value })} aria-current=${chosen.in === value && "true"} onClick=${(event) => follow(event, { replace: true })}>${name}</a>`;

  return html`<section class="search">
    <form role="search" onSubmit=${(event) => { event.preventDefault(); step(1); }}>
      <div class="asked">
        <input ref=${box} type="search" aria-label="Words" maxlength="500" autocomplete="off" placeholder="Words that were said" value=${chosen.q}
          onInput=${(event) => set({ q: event.target.value })} onKeyDown=${(event) => { if (keys[event.key]) { event.preventDefault(); keys[event.key](); } }} />
        <nav class="tabs" aria-label="Where">${where("", "in one line")}${where("call", "anywhere in a call")}</nav>
      </div>
      <${Filters} chosen=${chosen} set=${set} />
    </form>
    <p class="quiet told" role="status">${told}</p>
    <ol class="results" ref=${list}>${results.map((result) => html`<${Result} key=${result.hits[0]?.seq ?? result.conversation.id} ...${result} />`)}</ol>
    ${next != null && html`<button class="button" onClick=${more}>Look further back</button>`}
  </section>`;
}

// Asks once what is chosen rests; a newer question ends the one before.
function useResults(chosen) {
  const [found, set] = useState(NOTHING), ending = useRef();
  const look = async (old) => {
    ending.current?.abort();
    const { signal } = ending.current = new AbortController();
    try {
      const answer = await ask("search", { ...chosen, since: moment(chosen.since, "00:00"), until: moment(chosen.until, "24:00"), before: old.next }, signal);
      const results = [...old.results, ...answer.results];
      set({ ...answer, results, told: told(chosen.in, results.length, answer) });
    } catch (error) {
      if (error.name !== "AbortError") set({ ...NOTHING, told: failed(error) });
    }
  };
  useEffect(() => {
    const asked = Object.values({ ...chosen, in: "" }).some((value) => value.trim());
    set((before) => (asked ? { ...before, told: "Looking…" } : { ...NOTHING, told: "Type what was said. “…” finds words side by side, -word leaves lines out." }));
    const timer = asked && setTimeout(look, TYPING_MS, NOTHING);
    return () => { clearTimeout(timer); ending.current?.abort(); };
  }, [JSON.stringify(chosen)]);
  return { ...found, more: () => look(found) };
}

// Days are those of the viewer's zone.
const moment = (day, time) => { const at = new Date(`${day}T${time}`); return +at ? at.toISOString() : null; };

function told(where, count, { next, complete }) {
  if (count) return many(count, (next != null ? "newest " : "") + (where ? "conversation" : "line"));
  return complete ? "Nothing was found." : "Nothing yet in the newest part; look further back.";
}

function Filters({ chosen, set }) {
  const [{ queues, agents, media_types: types }, know] = useState({ queues: [], agents: [], media_types: [] });
  useEffect(() => { ask("choices").then(know, () => {}); }, []);
  const day = (name, label) => html`<label>${label}<input type="date" class=${chosen[name] && "on"} value=${chosen[name]} onChange=${(event) => set({ [name]: event.target.value })} /></label>`;
  const speaker = [["agent", "Agents"], ["customer", "Customers"]], media_type = types.map((type) => [type, type]);
  const menu = menus(chosen, set, { queue: named(queues), agent: named(agents), speaker, media_type });
  return html`<div class="filters">
    ${day("since", "From")}${day("until", "To")}
    ${menu("queue", "Queue", "All queues")}${menu("agent", "Agent", "All agents")}${menu("speaker", "Who", "Everybody")}${menu("media_type", "Medium", "All media")}
    ${Object.keys(FILTERS).some((name) => chosen[name]) && html`<button type="button" class="plain" onClick=${() => set(FILTERS)}>Clear</button>`}
  </div>`;
}

function Result({ conversation, hits }) {
  const card = conversation ?? NOBODY, url = (query) => card.id && conversationUrl(card.id, query);
  return html`<li>
    <p><a href=${url()} onClick=${follow}><b><bdi>${names(card)}</bdi></b></a> <span class="quiet">${about(card)}</span></p>
    ${hits.map((hit) => html`<a key=${hit.key} class=${"hit " + lane(hit)} href=${url({ line: hit.key })} onClick=${follow}>
      <span class="number faint">${clock(hit.spoken_at)}</span><span class="speaker">${speakerName(hit)}</span>
      <span class="speech" dir="auto">${hit.snippet.map(([text, found]) => (found ? html`<mark>${text}</mark>` : text))}</span></a>`)}
  </li>`;
}
