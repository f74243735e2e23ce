// One conversation on the wall. It is drawn anew only when something of it changed, or a second has passed.
import { Component, html } from "./ui.mjs";
import { mediaName, speakerName } from "./names.mjs";
import { marked } from "./order.mjs";
import { conversationUrl, follow } from "./route.mjs";
import { TalkStrip } from "./talk.mjs";
import { duration } from "./time.mjs";

const ICONS = {
  voice: "M6.6 3.5 8.8 7 7.2 8.8a11 11 0 0 0 4 4L13 11.2l3.5 2.2-.6 2.6c-6 1-12.9-5.9-11.9-11.9z",
  text: "M4 4h12v9H9l-4 3.5V13H4z",
  video: "M3.5 6h9v8h-9zM12.5 9l4-2.5v7l-4-2.5z",
};

export class Card extends Component {
  shouldComponentUpdate(next) {
    const { card, version, now, style, lit, pattern } = this.props;
    return next.card !== card || next.version !== version || next.now !== now || next.lit !== lit || next.pattern !== pattern
      || next.style.transform !== style.transform || next.style.width !== style.width;
  }

  render({ card, now, style, lit, pattern }) {
    const names = card.agents.map((one) => one.name).filter(Boolean).join(", ");
    const start = Date.parse(card.started_at ?? card.first_spoken_at ?? "");
    const end = card.ended_at ? Date.parse(card.ended_at) : now;
    const icon = ICONS[card.media_type] ?? (card.media_type ? ICONS.text : ICONS.voice);
    const kinds = ["card", lit && "lit", card.ended_at && "ended"].filter(Boolean).join(" ");
    return html`<a class=${kinds} href=${conversationUrl(card.id)} onClick=${follow} style=${style} data-id=${card.id}>
      <span class="top"><svg class="icon" viewBox="0 0 20 20" role="img" aria-label=${mediaName(card.media_type) || "Conversation"}><path d=${icon} /></svg>
        <b><bdi>${names || (card.lines ? "No agent yet" : "Ringing")}</bdi></b>
        <span class="number quiet">${Number.isNaN(start) ? "" : duration(end - start)}</span></span>
      <span class="queue faint"><bdi>${card.queue_name ?? ""}</bdi>${card.ended_at ? " · ended" : ""}${lit ? html` · <em>“${lit}”</em>` : ""}</span>
      <span class="said">${card.last
        ? html`<i class=${card.last.speaker === "agent" ? "agent" : card.last.speaker === "customer" ? "customer" : "other"}>${speakerName({ ...card.last, participant_id: null, user_id: null })}</i>${" "}<span
            class=${card.last.is_final === false ? "speech interim" : "speech"} dir="auto">${marked(card.last.text.slice(0, 300), pattern).map(([text, found]) => (found ? html`<mark>${text}</mark>` : text))}</span>`
        : html`<span class="faint">Nothing said yet</span>`}</span>
      <${TalkStrip} id=${card.id} start=${start} now=${end} />
    </a>`;
  }
}
