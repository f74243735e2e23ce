// The health view: whether everything is heard, what was not, and what stands in the way. For people.
import { html, useEffect, useState } from "./ui.mjs";
import { ask } from "./api.mjs";
import { Bar, Chart } from "./charts.mjs";
import { useKeys } from "./keys.mjs";
import { conversationUrl, follow, go } from "./route.mjs";
import { behind, gapWords, grouped, limits, many, moment, number, sinkWords, size, span, verdict, warningWords } from "./verdict.mjs";

const EVERY_MS = 5000;
const FEW = 6; // of a list stand open, the rest behind a button

export function Health() {
  const { found, lost } = useStatus();
  useKeys({ Escape: () => go("/") });
  if (!found) {
    return html`<div class="health"><section class="verdict idle" role="status"><h1>${lost ? "genscribe does not answer." : "Looking…"}</h1>
      <p>${lost ? lost.words : ""}</p></section></div>`;
  }
  return html`<div class=${"health" + (lost ? " stale" : "")}>
    <${Verdict} found=${found} lost=${lost} />
    ${found.running && html`<${Charts} history=${found.history} />`}
    <div class="panels">
      <div class="column">
        ${found.status?.hearing && html`<${Heard} hearing=${found.status.hearing} />`}
        ${found.status && html`<${Sinks} sinks=${found.status.sinks} />`}
        <${Store} store=${found.store} status=${found.status} />
      </div>
      <div class="column">
        <${NotRecorded} gaps=${found.gaps} />
        <${Refused} found=${found} />
        ${found.status && html`<${Warnings} warnings=${found.status.warnings} />`}
      </div>
    </div>
  </div>`;
}

// Asks every few seconds while the page is looked at. → { found, lost }: the last answer, and since when there is none.
function useStatus() {
  const [known, set] = useState({ found: null, lost: null });
  useEffect(() => {
    const ending = new AbortController();
    let timer = 0, asking = false;
    const look = async () => {
      clearTimeout(timer);
      if (document.hidden || asking) return;
      asking = true;
      try {
        const found = await ask("status", {}, ending.signal);
        set({ found, lost: null });
      } catch (error) {
        if (error.name !== "AbortError") {
          const words = error.status ? error.message : "It was stopped, or the way to it is broken.";
          set((before) => ({ ...before, lost: before.lost ?? { at: new Date().toISOString(), words } }));
        }
      }
      asking = false;
      if (!ending.signal.aborted) timer = setTimeout(look, EVERY_MS);
    };
    look();
    document.addEventListener("visibilitychange", look);
    return () => { ending.abort(); clearTimeout(timer); document.removeEventListener("visibilitychange", look); };
  }, []);
  return known;
}

function Verdict({ found, lost }) {
  const { tone, head, more } = lost
    ? { tone: "bad", head: `genscribe has not answered since ${moment(lost.at)}.`, more: `${lost.words} Below is what it said last.` }
    : verdict(found);
  const status = found.status;
  return html`<section class=${"verdict " + tone} aria-labelledby="verdict">
    <div role="status"><h1 id="verdict">${head}</h1><p>${more}</p></div>
    ${status && html`<p class="run quiet">
      ${[`source ${status.source}`, `genscribe ${status.version}`, `process ${status.pid}`, `running since ${moment(status.started_at)}`].join(" · ")}</p>`}
  </section>`;
}

const milliseconds = (value) => (value < 1000 ? `${value < 10 ? value : Math.round(value)} ms` : span(value / 1000));

function Charts({ history }) {
  const { every_s: every, until } = history;
  return html`<div class="charts">
    <${Chart} title="Lines and events a second" unit="/s" tone="calm" values=${history.events_per_s} every=${every} until=${until}
      say=${(value) => `${value}/s`} note="All that came: lines, and who joined, left, began, ended." />
    <${Chart} title="Until it is safe on the disk" unit=" ms" tone="calm" values=${history.commit_ms} every=${every} until=${until}
      say=${milliseconds} note="99 of 100 are on the disk within this time." />
    <${Chart} title="How late lines arrive" unit=" s" tone="calm" values=${history.speech_s} every=${every} until=${until}
      say=${(value) => `${value} s`} note="After they are spoken; half of them sooner." />
  </div>`;
}

function Panel({ title, count, tone, children }) {
  return html`<section class="panel"><h2>${title}${count ? html` <span class=${"count " + (tone ?? "")}>${number(count)}</span>` : ""}</h2>${children}</section>`;
}

function Heard({ hearing }) {
  const heard = hearing.conversations - hearing.unheard;
  const facts = [
    ["Conversations going on", number(hearing.conversations)],
    ["of them heard", number(heard), hearing.unheard > 0 && "bad"],
    hearing.silent > 0 && ["Silent: no text comes", number(hearing.silent), "warn"],
    hearing.waiting_s >= 1 && ["Waiting to be heard", `for ${span(hearing.waiting_s)}`, "warn"],
    hearing.subscribe_p95_s != null && ["95 of 100 are heard within", span(hearing.subscribe_p95_s)],
  ].filter(Boolean);
  return html`<${Panel} title="Conversations">
    <${Facts} facts=${facts} />
    ${limits(hearing).map((limit) => html`<${Bar} key=${limit.name} ...${limit} />`)}
  </${Panel}>`;
}

function Facts({ facts }) {
  return html`<dl class="facts">${facts.map(([name, value, tone]) => html`<div key=${name}><dt>${name}</dt><dd class=${tone || ""}>${value}</dd></div>`)}</dl>`;
}

function Sinks({ sinks }) {
  return html`<${Panel} title="Sent on to">
    ${!sinks.length && html`<p class="quiet">Nothing is sent on; everything stays in the store.</p>`}
    ${sinks.length > 0 && html`<table class="sinks">
      <thead><tr><th scope="col">Where</th><th scope="col">State</th><th scope="col">Behind</th><th scope="col">Rejected</th></tr></thead>
      ${sinks.map((sink) => {
        const [words, tone] = sinkWords(sink);
        return html`<tbody key=${sink.name}>
          <tr><th scope="row"><bdi>${sink.name}</bdi></th><td data-name="State"><span class=${"state " + tone}>${words}</span></td>
            <td data-name="Behind">${behind(sink)}</td><td data-name="Rejected" class=${sink.dead_letters ? "bad" : ""}>${sink.dead_letters ? number(sink.dead_letters) : "none"}</td></tr>
          ${sink.last_error && html`<tr class="error"><td colspan="4">${sink.last_error}</td></tr>`}
        </tbody>`;
      })}
    </table>`}
  </${Panel}>`;
}

function Store({ store, status }) {
  const free = store.disk_free_bytes ?? status?.disk_free_bytes;
  const facts = [
    ["Lines", number(store.utterances)],
    ["Conversations", number(store.conversations)],
    store.oldest_at && ["Since", moment(store.oldest_at)],
    ["Size", size(store.bytes)],
    free != null && ["Room left on the disk", size(free), free < 2e9 && "bad"],
  ].filter(Boolean);
  return html`<${Panel} title="Store"><${Facts} facts=${facts} /><p class="path faint"><bdi>${store.path}</bdi></p></${Panel}>`;
}

// A list of which the first few stand open.
function Few({ list, draw, none }) {
  const [all, setAll] = useState(false);
  if (!list.length) return html`<p class="quiet">${none}</p>`;
  return html`<ul class="entries">${(all ? list : list.slice(0, FEW)).map(draw)}</ul>
    ${list.length > FEW && html`<button class="plain" aria-expanded=${all} onClick=${() => setAll(!all)}>${all ? "Show fewer" : `Show all ${list.length}`}</button>`}`;
}

function NotRecorded({ gaps }) {
  // What goes on comes first; then the newest.
  const list = [...gaps].sort((one, other) => !!one.ended_at - !!other.ended_at || (one.started_at < other.started_at ? 1 : -1));
  return html`<${Panel} title="Not recorded" count=${gaps.length} tone="bad">
    <${Few} list=${list} none="No time is missing." draw=${(gap) => {
      const { when, long, why } = gapWords(gap), ids = gap.conversation_ids;
      return html`<li key=${gap.key ?? gap.started_at + (ids ?? "")} class=${gap.ended_at ? "" : "open"}>
        <span class="when">${when}</span><span class="long quiet">${long}</span>
        <span class="what">${why}${ids && html`, ${ids.length === 1
          ? html`<a href=${conversationUrl(ids[0])} onClick=${follow}>in one conversation</a>` : `in ${ids.length} conversations`}`}</span></li>`;
    }} />
  </${Panel}>`;
}

function Refused({ found }) {
  const unreadable = grouped(found.unreadable, (one) => one.reason, "received_at");
  const rejected = grouped(found.rejected, (one) => `${one.sink}: ${one.reason}`, "at");
  const entry = (group) => html`<li key=${group.name}><span class="when">${moment(group.at)}</span>
    <span class="long quiet">${group.count > 1 ? `${group.count} times` : ""}</span><span class="what">${group.name}</span></li>`;
  const { unreadable: most_unreadable = found.unreadable.length, rejected: most_rejected = found.rejected.length } = found.store;
  return html`<${Panel} title="Could not be read" count=${most_unreadable} tone="warn">
    <${Few} list=${unreadable} draw=${entry} none="Everything that came could be read." />
  </${Panel}>
  <${Panel} title="Rejected" count=${most_rejected} tone="warn">
    <${Few} list=${rejected} draw=${entry} none="No event was rejected where it was sent." />
  </${Panel}>`;
}

function Warnings({ warnings }) {
  return html`<${Panel} title="Last warnings">
    <${Few} list=${[...warnings].reverse()} none="None." draw=${([at, line], index) => html`<li key=${index}>
      <span class="when">${moment(at)}</span><span class="long"></span><span class="what">${warningWords(line)}</span></li>`} />
  </${Panel}>`;
}
