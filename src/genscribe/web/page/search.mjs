// Search: words in one line or anywhere in a call, by time, queue, agent, speaker and medium; answers while one types.
// What is asked for stands in the URL, so that a search can be sent to somebody.
import { html, useEffect, useRef, useState } from "./ui.mjs";
import { ask } from "./api.mjs";
import { useKeys } from "./keys.mjs";
import { mediaName, speakerName } from "./names.mjs";
import { asSearch, conversationUrl, follow, go } from "./route.mjs";
import { clock, dateTime } from "./time.mjs";

const TYPING_MS = 120;
const CHOSEN = ["q", "in", "queue", "agent", "speaker", "media_type", "since", "until"];
const SPEAKERS = [["agent", "Agents"], ["customer", "Customers"]];

export function Search({ route }) {
  const chosen = Object.fromEntries(CHOSEN.map((name) => [name, route.query.get(name) ?? ""]));
  const set = (changes) => go("/search" + asSearch({ ...chosen, ...changes }), { replace: true });
  const { found, state, more } = useResults(chosen);
  const box = useRef(null), list = useRef(null);
  useEffect(() => { box.current.focus(); box.current.select(); }, []);
  const step = (by) => {
    const links = [...list.current.querySelectorAll("a.hit")];
    const here = links.indexOf(document.activeElement);
    links[Math.min(Math.max(here + by, 0), links.length - 1)]?.focus();
  };
  useKeys({ j: () => step(1), k: () => step(-1), "/": () => { box.current.focus(); box.current.select(); }, Escape: () => go("/") });

  return html`<section class="search">
    <form role="search" onSubmit=${(event) => { event.preventDefault(); step(1); }}>
      <div class="asked">
        <label class="hidden" for="words">Words</label>
        <input id="words" ref=${box} type="search" maxlength="500" autocomplete="off" spellcheck="false" placeholder="Words that were said"
          value=${chosen.q} onInput=${(event) => set({ q: event.target.value })}
          onKeyDown=${(event) => { if (event.key === "ArrowDown") { event.preventDefault(); step(1); } if (event.key === "Escape") { event.preventDefault(); chosen.q ? set({ q: "" }) : go("/"); } }} />
        <fieldset class="where"><legend class="hidden">Where the words stand</legend>
          ${[["", "in one line"], ["call", "anywhere in a call"]].map(([value, name]) => html`
            <label><input type="radio" name="in" checked=${chosen.in === value} onChange=${() => set({ in: value })} /><span>${name}</span></label>`)}
        </fieldset>
      </div>
      <${Filters} chosen=${chosen} set=${set} />
    </form>
    <p class="told quiet" role="status">${told(chosen, found, state)}</p>
    <ol class="results" ref=${list}>
      ${found.results.map((result) => html`<${Result} key=${result.conversation.id + result.hits[0]?.seq} result=${result} />`)}
    </ol>
    ${found.next != null && html`<button class="further" disabled=${state === "asking"} onClick=${more}>${found.complete ? "Older ones" : "Look further back"}</button>`}
  </section>`;
}

// Asks when what is chosen has rested for a moment; a newer question ends the one before.
function useResults(chosen) {
  const none = { results: [], next: null, complete: true };
  const [answer, setAnswer] = useState({ found: none, state: "idle" });
  const [turn, setTurn] = useState(0);
  const asked = JSON.stringify(chosen);
  useEffect(() => {
    if (!filled(chosen)) { setAnswer({ found: none, state: "idle" }); return undefined; }
    const ending = new AbortController();
    const timer = setTimeout(() => look(ending.signal, null), TYPING_MS);
    setAnswer((before) => ({ ...before, state: "asking" }));
    return () => { clearTimeout(timer); ending.abort(); };
  }, [asked, turn]);
  async function look(signal, before) {
    try {
      const found = await ask("search", { ...params(chosen), before }, signal);
      setAnswer(({ found: old }) => ({ found: before == null ? found : { ...found, results: [...old.results, ...found.results] }, state: "done" }));
    } catch (error) {
      if (error.name !== "AbortError") setAnswer({ found: none, state: error.message });
    }
  }
  const more = () => { setAnswer((old) => ({ ...old, state: "asking" })); look(undefined, answer.found.next); };
  return { ...answer, more, again: () => setTurn(turn + 1) };
}

const filled = (chosen) => Object.entries(chosen).some(([name, value]) => name !== "in" && value.trim());

// Days are those of the viewer's zone.
function params(chosen) {
  const day = (text, add) => { const [y, m, d] = text.split("-").map(Number); return y && m && d ? new Date(y, m - 1, d + add).toISOString() : null; };
  return { ...chosen, in: chosen.in === "call" ? "call" : "line", since: day(chosen.since, 0), until: day(chosen.until, 1) };
}

function told(chosen, found, state) {
  if (state === "idle") return "Type what was said. “…” finds words side by side, -word leaves lines out.";
  if (state === "asking") return found.results.length ? "…" : "Looking…";
  if (state !== "done") return state;
  const count = found.results.length, what = chosen.in === "call" ? ["conversation", "conversations"] : ["line", "lines"];
  if (!count) return found.complete ? "Nothing was found." : "Nothing yet in the newest part; look further back.";
  return `${count}${found.next != null ? " newest" : ""} ${what[count === 1 ? 0 : 1]}`;
}

function Filters({ chosen, set }) {
  const [choices, setChoices] = useState({ queues: [], agents: [], media_types: [] });
  useEffect(() => { ask("choices").then(setChoices, () => {}); }, []);
  const menu = (name, label, options) => html`<label><span>${label}</span>
    <select value=${chosen[name]} onChange=${(event) => set({ [name]: event.target.value })}>
      <option value="">all</option>
      ${options.map(([value, text]) => html`<option key=${value} value=${value} selected=${value === chosen[name]}>${text}</option>`)}
      ${chosen[name] && !options.some(([value]) => value === chosen[name]) && html`<option value=${chosen[name]} selected>${chosen[name]}</option>`}
    </select></label>`;
  const day = (name, label) => html`<label><span>${label}</span><input type="date" value=${chosen[name]} onChange=${(event) => set({ [name]: event.target.value })} /></label>`;
  const named = (list) => list.map((one) => [one.id, one.name ?? one.id]);
  const any = CHOSEN.slice(2).some((name) => chosen[name]);
  return html`<div class="filters">
    ${day("since", "From")} ${day("until", "To")}
    ${menu("queue", "Queue", named(choices.queues))} ${menu("agent", "Agent", named(choices.agents))}
    ${menu("speaker", "Who", SPEAKERS)} ${menu("media_type", "Medium", choices.media_types.map((type) => [type, mediaName(type)]))}
    ${any && html`<button type="button" class="plain" onClick=${() => set(Object.fromEntries(CHOSEN.slice(2).map((name) => [name, ""])))}>Clear</button>`}
  </div>`;
}

function Result({ result }) {
  const { conversation: card, hits } = result;
  const agents = card.agents.map((one) => one.name).filter(Boolean).join(", ");
  return html`<li>
    <p class="of"><a href=${conversationUrl(card.id)} onClick=${follow}>${agents || (card.agents.length ? "Agent" : "No agent")}</a>
      <span class="quiet"> ${[card.queue_name, mediaName(card.media_type), dateTime(card.started_at ?? card.first_spoken_at)].filter(Boolean).join(" · ")}</span></p>
    ${hits.map((hit) => html`<a key=${hit.key} class=${"hit " + (hit.speaker === "customer" ? "customer" : hit.speaker === "agent" ? "agent" : "other")}
        href=${conversationUrl(card.id, { line: hit.key })} onClick=${follow}>
      <span class="time number">${clock(hit.spoken_at)}</span>
      <span class="speaker">${hit.speaker === "agent" && agents ? "Agent" : speakerName(hit)}</span>
      <span class="speech" dir="auto">${hit.snippet.map(([text, found]) => found ? html`<mark>${text}</mark>` : text)}</span>
    </a>`)}
  </li>`;
}
