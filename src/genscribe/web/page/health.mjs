// The health view: whether all is heard, and what was not.
import { html, useEffect, useState } from "./ui.mjs";
import { ask } from "./api.mjs";
import { Chart } from "./charts.mjs";
import { useKeys } from "./keys.mjs";
import { conversationUrl, follow, go } from "./route.mjs";
import { moment, span, useNow } from "./time.mjs";
import { failed, gapWords, grouped, number, sinkRow, size, verdict, warningWords } from "./verdict.mjs";

const EVERY_MS = 2000;
const FEW = 6; // rows of a panel stand open
const NEAR = 0.9; // from that share of a limit on, it is told
const LITTLE_ROOM = 2e9; // bytes

export function Health() {
  const [{ found, lost }, set] = useState({}), status = found?.status, now = useNow(EVERY_MS);
  useEffect(() => { ask("status").then((found) => set({ found }), (error) => set(({ found, lost }) => ({ found, lost: lost ?? { at: now, error } }))); }, [now]);
  useKeys({ Escape: () => go("/") });
  const { tone, head, more } = lost ? { tone: "bad", head: `genscribe has not answered since ${moment(lost.at)}.`, more: failed(lost.error) + (found ? " Below is what it said last." : "") }
    : found ? verdict(found) : { tone: "idle", head: "Looking…" };
  return html`<div class=${"health" + (lost ? " stale" : "")}>
    <section class=${"box verdict " + tone}><div role="status"><h1>${head}</h1><p>${more}</p></div>
      ${status && html`<p class="run quiet">genscribe ${status.version} · source ${status.source} · running since ${moment(status.started_at)}</p>`}
    </section>
    ${found?.running && charts(found.history)}
    ${found && panels(found)}
  </div>`;
}

function charts({ events_per_s: events, commit_ms: commit, speech_s: speech, ...times }) {
  const chart = (title, unit, values, note) => html`<${Chart} title=${title} unit=${unit} values=${values} note=${note} ...${times} />`;
  return html`<div class="charts">
    ${chart("Lines and events a second", "/s", events, "Lines, and who joined, left, began, ended.")}
    ${chart("Until it is safe on the disk", " ms", commit, "99 of 100 are on the disk within this time.")}
    ${chart("How late lines arrive", " s", speech, "After they are spoken; half of them sooner.")}
  </div>`;
}

function panels({ status, store, gaps, unreadable, rejected }) {
  return html`<div class="panels">
    <div>
      ${status?.hearing && panel("Conversations", heard(status.hearing))}
      ${status && panel("Sent on to", status.sinks.map(sinkRow), "Nothing is sent on; everything stays in the store.")}
      ${panel("Store", stored(store))}
    </div>
    <div>
      ${panel("Not recorded", missing(gaps), "No time is missing.", "bad", gaps.length)}
      ${panel("Could not be read", grouped(unreadable, ({ reason }) => reason, "received_at"), "Everything that came could be read.", "warn", store.unreadable)}
      ${panel("Rejected", grouped(rejected, ({ sink, reason }) => `${sink}: ${reason}`, "at"), "No event was rejected where it was sent.", "warn", store.rejected)}
      ${status && panel("Last warnings", status.warnings.map(([at, line]) => [moment(at), "", "", warningWords(line)]).reverse(), "None.")}
    </div>
  </div>`;
}

// `rows`: [name, value, tone, more, share of a limit]; one is drawn in its tone where something is wrong.
function panel(title, rows, none, tone, count) {
  const list = (some) => html`<ul class="rows">${some.map(([name, value, tone, more, share]) => html`<li class=${tone}>
    <bdi class="name">${name}</bdi><span class="value">${value}</span>${more && html`<p>${more}</p>`}
    ${share != null && html`<div class="limit" role="meter" aria-label=${name} aria-valuenow=${share} aria-valuetext=${value} style=${{ backgroundSize: share + "%" }}></div>`}</li>`)}</ul>`;
  return html`<section class="box panel"><h2>${title}${count > 0 && html` <span class=${"count " + tone}>${number(count)}</span>`}</h2>
    ${rows.length ? list(rows.slice(0, FEW)) : html`<p class="quiet">${none}</p>`}
    ${rows.length > FEW && html`<details><summary>${rows.length - FEW} more</summary>${list(rows.slice(FEW))}</details>`}
  </section>`;
}

function heard({ conversations: all, unheard, silent, waiting_s: waiting, topics, channels, topics_limit: most }) {
  const limit = (name, used, of) => of > 0 && [name, `${number(used)} of ${number(of)}`, used >= of * NEAR && "warn", "", Math.min(100, (100 * used) / of)];
  return [
    ["Heard of those going on", `${number(all - unheard)} of ${number(all)}`, unheard > 0 && "bad"],
    silent > 0 && ["Silent: no text comes", number(silent), "warn"],
    waiting >= 1 && ["Waiting to be heard", "for " + span(waiting), "warn"],
    limit("Topics", topics, most), limit("Channels", channels, Math.round(most / 1000)), // a channel takes a thousand topics
  ].filter(Boolean);
}

function stored({ utterances, conversations, oldest_at: oldest, bytes, disk_free_bytes: free, path }) {
  return [
    ["Lines", number(utterances)], ["Conversations", number(conversations)],
    oldest && ["Since", moment(oldest)],
    ["Size", size(bytes)],
    free != null && ["Room left on the disk", size(free), free < LITTLE_ROOM && "bad"],
    ["File", "", "", path],
  ].filter(Boolean);
}

// What goes on comes first.
function missing(gaps) {
  return [...gaps].sort((one, other) => !other.ended_at - !one.ended_at).map((gap) => {
    const { when, long, why } = gapWords(gap), ids = gap.conversation_ids;
    const where = ids && (ids.length === 1 ? html`, <a href=${conversationUrl(ids[0])} onClick=${follow}>in one conversation</a>` : `, in ${ids.length} conversations`);
    return [when, long, !gap.ended_at && "bad", html`${why}${where}`];
  });
}
