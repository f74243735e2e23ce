// The health view: whether everything is heard, what was not, and what stands in the way. For people.
import { html, useEffect, useState } from "./ui.mjs";
import { ask } from "./api.mjs";
import { Chart } from "./charts.mjs";
import { useKeys } from "./keys.mjs";
import { conversationUrl, follow, go } from "./route.mjs";
import { moment } from "./time.mjs";
import { gapWords, grouped, number, sinkRow, size, span, verdict, warningWords } from "./verdict.mjs";

const EVERY_MS = 5000;
const FEW = 6; // rows of a panel stand open, the others behind a button
const NEAR = 0.9; // from that share of a limit on, it is told
const LITTLE_ROOM = 2e9; // bytes

export function Health() {
  const { found, lost } = useStatus();
  useKeys({ Escape: () => go("/") });
  const { tone, head, more } = lost
    ? { tone: "bad", head: `genscribe has not answered since ${moment(lost.at)}.`, more: `${lost.words}${found ? " Below is what it said last." : ""}` }
    : found ? verdict(found) : { tone: "idle", head: "Looking…" };
  const status = found?.status;
  return html`<div class=${"health" + (lost ? " stale" : "")}>
    <section class=${"verdict panel " + tone}><div role="status"><h1>${head}</h1><p>${more}</p></div>
      ${status && html`<p class="run quiet">source ${status.source} · genscribe ${status.version} · process ${status.pid} · running since ${moment(status.started_at)}</p>`}
    </section>
    ${found?.running && html`<${Charts} ...${found.history} />`}
    ${found && html`<${Panels} ...${found} />`}
  </div>`;
}

// Asks every few seconds while the page is looked at. → { found, lost }: the last answer, and since when there is none.
function useStatus() {
  const [known, set] = useState({});
  useEffect(() => {
    const ending = new AbortController();
    let timer = 0, asking = false;
    const look = async () => {
      clearTimeout(timer);
      if (document.hidden || asking) return;
      asking = true;
      try {
        set({ found: await ask("status", {}, ending.signal) });
      } catch (error) {
        const words = error.status ? error.message : "It was stopped, or the way to it is broken.";
        if (!ending.signal.aborted) set(({ found, lost }) => ({ found, lost: lost ?? { at: Date.now(), words } }));
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

function Charts({ every_s: every, until, events_per_s: events, commit_ms: commit, speech_s: speech }) {
  const time = (ms) => (ms < 1000 ? `${ms < 10 ? ms : Math.round(ms)} ms` : span(ms / 1000));
  const chart = (title, values, unit, note, say = (value) => value + unit) =>
    html`<${Chart} title=${title} values=${values} unit=${unit} note=${note} say=${say} every=${every} until=${until} />`;
  return html`<div class="charts">
    ${chart("Lines and events a second", events, "/s", "All that came: lines, and who joined, left, began, ended.")}
    ${chart("Until it is safe on the disk", commit, " ms", "99 of 100 are on the disk within this time.", time)}
    ${chart("How late lines arrive", speech, " s", "After they are spoken; half of them sooner.")}
  </div>`;
}

function Panels({ status, store, gaps, unreadable, rejected }) {
  const hearing = status?.hearing;
  return html`<div class="panels">
    <div>
      ${hearing && html`<${Panel} title="Conversations" rows=${heard(hearing)} />`}
      ${status && html`<${Panel} title="Sent on to" none="Nothing is sent on; everything stays in the store." rows=${status.sinks.map(sinkRow)} />`}
      <${Panel} title="Store" rows=${stored(store, status)} />
    </div>
    <div>
      <${Panel} title="Not recorded" tone="bad" count=${gaps.length} none="No time is missing." rows=${missing(gaps)} />
      <${Panel} title="Could not be read" tone="warn" count=${store.unreadable ?? unreadable.length} none="Everything that came could be read."
        rows=${grouped(unreadable, (one) => one.reason, "received_at")} />
      <${Panel} title="Rejected" tone="warn" count=${store.rejected ?? rejected.length} none="No event was rejected where it was sent."
        rows=${grouped(rejected, (one) => `${one.sink}: ${one.reason}`, "at")} />
      ${status && html`<${Panel} title="Last warnings" none="None." rows=${status.warnings.map(([at, line]) => ({ name: moment(at), more: warningWords(line) })).reverse()} />`}
    </div>
  </div>`;
}

// A heading and rows { name, value, tone, more, share }; a row is drawn in its tone where something is wrong.
function Panel({ title, tone, count, none, rows }) {
  const [all, setAll] = useState(false);
  return html`<section class="panel"><h2>${title}${count > 0 && html` <span class=${"count " + tone}>${number(count)}</span>`}</h2>
    ${rows.length ? html`<ul class="rows">${rows.slice(0, all ? undefined : FEW).map(({ name, value, tone, more, share }) => html`
      <li class=${tone}><bdi class="name">${name}</bdi><span class="value">${value}</span>
        ${more && html`<div class="more">${more}</div>`}
        ${share != null && html`<div class="limit" role="meter" aria-label=${name} aria-valuemin="0" aria-valuemax="1" aria-valuenow=${share} aria-valuetext=${value}>
          <span style=${{ width: share * 100 + "%" }}></span></div>`}</li>`)}</ul>`
    : html`<p class="quiet">${none}</p>`}
    ${rows.length > FEW && html`<button class="plain" aria-expanded=${all} onClick=${() => setAll(!all)}>${all ? "Show fewer" : `Show all ${rows.length}`}</button>`}
  </section>`;
}

function heard({ conversations, unheard, silent, waiting_s: waiting, subscribe_p95_s: within, topics, channels, topics_limit: most }) {
  const limit = (name, used, of) => of > 0 && { name, share: Math.min(1, used / of), value: `${number(used)} of ${number(of)}`, tone: used >= of * NEAR && "warn" };
  return [
    { name: "Conversations going on", value: number(conversations) },
    { name: "of them heard", value: number(conversations - unheard), tone: unheard > 0 && "bad" },
    silent > 0 && { name: "Silent: no text comes", value: number(silent), tone: "warn" },
    waiting >= 1 && { name: "Waiting to be heard", value: `for ${span(waiting)}`, tone: "warn" },
    within != null && { name: "95 of 100 are heard within", value: span(within) },
    limit("Topics", topics, most), limit("Channels", channels, Math.round(most / 1000)), // a channel takes a thousand topics
  ].filter(Boolean);
}

function stored(store, status) {
  const free = store.disk_free_bytes ?? status?.disk_free_bytes;
  return [
    { name: "Lines", value: number(store.utterances) },
    { name: "Conversations", value: number(store.conversations) },
    store.oldest_at && { name: "Since", value: moment(store.oldest_at) },
    { name: "Size", value: size(store.bytes) },
    free != null && { name: "Room left on the disk", value: size(free), tone: free < LITTLE_ROOM && "bad" },
    { name: "File", more: store.path },
  ].filter(Boolean);
}

// What goes on comes first; then the newest.
function missing(gaps) {
  const list = [...gaps].sort((one, other) => !!one.ended_at - !!other.ended_at || (one.started_at < other.started_at ? 1 : -1));
  return list.map((gap) => {
    const { when, long, why } = gapWords(gap), ids = gap.conversation_ids;
    const where = !ids ? "" : ids.length === 1 ? html`, <a href=${conversationUrl(ids[0])} onClick=${follow}>in one conversation</a>` : `, in ${ids.length} conversations`;
    return { name: when, value: long, tone: gap.ended_at ? "" : "bad", more: html`${why}${where}` };
  });
}
