// Search: words in one line or anywhere in a call, by time, queue, agent, speaker and medium; answers while one types.
// What is asked for stands in the URL, so that a search can be sent to somebody.
import { html, useEffect, useRef, useState } from "./ui.mjs";
import { ask } from "./api.mjs";
import { lane } from "./dialogue.mjs";
import { stepped, useKeys } from "./keys.mjs";
import { mediaName, speakerName } from "./names.mjs";
import { asSearch, conversationUrl, follow, go } from "./route.mjs";
import { clock, dateTime } from "./time.mjs";
import { Menu } from "./tools.mjs";
import { many } from "./verdict.mjs";

const TYPING_MS = 120;
const FILTERS = ["queue", "agent", "speaker", "media_type", "since", "until"];
const SPEAKERS = [["agent", "Agents"], ["customer", "Customers"]];

export function Search({ route }) {
  const chosen = Object.fromEntries(["q", "in", ...FILTERS].map((name) => [name, route.query.get(name) ?? ""]));
  const url = (changes) => "/search" + asSearch({ ...chosen, ...changes });
  const set = (changes) => go(url(changes), { replace: true });
  const { results, next, complete, told, more } = useResults(chosen);
  const box = useRef(null), list = useRef(null);
  const type = () => { box.current.focus(); box.current.select(); };
  useEffect(type, []);
  const step = (by) => {
    const links = [...list.current.querySelectorAll("a.hit")];
    stepped(links, links.indexOf(document.activeElement), by)?.focus();
  };
  const keys = { ArrowDown: () => step(1), Escape: () => (chosen.q ? set({ q: "" }) : go("/")) };
  useKeys({ j: () => step(1), k: () => step(-1), "/": type, Escape: () => go("/") });
  const where = (value, name) => html`<a href=${url({ in: value })} aria-current=${chosen.in === value ? "true" : undefined}
    onClick=${(event) => follow(event, { replace: true })}>${name}</a>`;

  return html`<section class="search">
    <form role="search" onSubmit=${(event) => { event.preventDefault(); step(1); }}>
      <div class="asked">
        <input ref=${box} type="search" aria-label="Words" maxlength="500" autocomplete="off" spellcheck="false" placeholder="Words that were said"
          value=${chosen.q} onInput=${(event) => set({ q: event.target.value })}
          onKeyDown=${(event) => { if (keys[event.key]) { event.preventDefault(); keys[event.key](); } }} />
        <nav class="tabs" aria-label="Where the words stand">${where("", "in one line")}${where("call", "anywhere in a call")}</nav>
      </div>
      <${Filters} chosen=${chosen} set=${set} />
    </form>
    <p class="told quiet" role="status">${told}</p>
    <ol class="results" ref=${list}>${results.map((result) => html`<${Result} key=${result.conversation.id + result.hits[0]?.seq} ...${result} />`)}</ol>
    ${next != null && html`<button class="button" onClick=${more}>${complete ? "Older ones" : "Look further back"}</button>`}
  </section>`;
}

const NOTHING = { results: [], next: null };

// Asks when what is chosen has rested for a moment; a newer question ends the one before.
function useResults(chosen) {
  const [found, set] = useState(NOTHING);
  const ending = useRef();
  const look = async (old) => {
    const { signal } = ending.current = new AbortController();
    try {
      const answer = await ask("search", { ...params(chosen), before: old.next }, signal);
      const results = [...old.results, ...answer.results];
      set({ ...answer, results, told: told(chosen.in, results.length, answer) });
    } catch (error) {
      if (error.name !== "AbortError") set({ ...NOTHING, told: error.message });
    }
  };
  useEffect(() => {
    const asked = Object.entries(chosen).some(([name, value]) => name !== "in" && value.trim());
    set(asked ? (before) => ({ ...before, told: before.results.length ? "…" : "Looking…" })
      : { ...NOTHING, told: "Type what was said. “…” finds words side by side, -word leaves lines out." });
    const timer = asked && setTimeout(() => look(NOTHING), TYPING_MS);
    return () => { clearTimeout(timer); ending.current?.abort(); };
  }, [JSON.stringify(chosen)]);
  return { ...found, more: () => { ending.current.abort(); look(found); } };
}

// Days are those of the viewer's zone.
function params(chosen) {
  const day = (text, add) => { const [y, m, d] = text.split("-").map(Number); return y && m && d ? new Date(y, m - 1, d + add).toISOString() : null; };
  return { ...chosen, in: chosen.in || "line", since: day(chosen.since, 0), until: day(chosen.until, 1) };
}

function told(where, count, { next, complete }) {
  if (count) return many(count, (next != null ? "newest " : "") + (where === "call" ? "conversation" : "line"));
  return complete ? "Nothing was found." : "Nothing yet in the newest part; look further back.";
}

function Filters({ chosen, set }) {
  const [{ queues, agents, media_types }, setChoices] = useState({ queues: [], agents: [], media_types: [] });
  useEffect(() => { ask("choices").then(setChoices, () => {}); }, []);
  const menu = (name, label, all, options) => html`<${Menu} name=${name} label=${label} all=${all} options=${options} chosen=${chosen[name]} set=${set} />`;
  const day = (name, label) => html`<label class=${chosen[name] && "on"}>${label}
    <input type="date" value=${chosen[name]} onChange=${(event) => set({ [name]: event.target.value })} /></label>`;
  const named = (list) => list.map((one) => [one.id, one.name ?? one.id]);
  return html`<div class="filters open">
    ${day("since", "From")}${day("until", "To")}
    ${menu("queue", "Queue", "All queues", named(queues))}${menu("agent", "Agent", "All agents", named(agents))}
    ${menu("speaker", "Who", "Everybody", SPEAKERS)}${menu("media_type", "Medium", "All media", media_types.map((type) => [type, type]))}
    ${FILTERS.some((name) => chosen[name]) && html`<button type="button" class="plain" onClick=${() => set(Object.fromEntries(FILTERS.map((name) => [name, ""])))}>Clear</button>`}
  </div>`;
}

function Result({ conversation: card, hits }) {
  const agents = card.agents.map((one) => one.name).filter(Boolean).join(", ");
  return html`<li>
    <p><a class="of" href=${conversationUrl(card.id)} onClick=${follow}>${agents || (card.agents.length ? "Agent" : "No agent")}</a>
      <span class="quiet"> ${[card.queue_name, mediaName(card.media_type), dateTime(card.started_at ?? card.first_spoken_at)].filter(Boolean).join(" · ")}</span></p>
    ${hits.map((hit) => html`<a key=${hit.key} class=${"hit " + lane(hit)} href=${conversationUrl(card.id, { line: hit.key })} onClick=${follow}>
      <span class="time number">${clock(hit.spoken_at)}</span> <span class="speaker">${speakerName(hit)}</span>
      <span class="speech" dir="auto">${hit.snippet.map(([text, found]) => found ? html`<mark>${text}</mark>` : text)}</span>
    </a>`)}
  </li>`;
}
