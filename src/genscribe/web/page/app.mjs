// The frame around every view: the bar with the way to each, and the view that the URL names.
import { html, render, useEffect, useState } from "./ui.mjs";
import { follow, go, useRoute } from "./route.mjs";
import { Wall } from "./wall.mjs";
import { Conversation } from "./conversation.mjs";
import { Search } from "./search.mjs";
import { Health } from "./health.mjs";
import { Help } from "./help.mjs";
import { Strip } from "./strip.mjs";
import { Theme } from "./theme.mjs";
import { useKeys } from "./keys.mjs";
import { live } from "./live.mjs";
import { talk } from "./talkstrip.mjs";
import { watch } from "./watch.mjs";

const VIEWS = { wall: Wall, conversation: Conversation, search: Search, health: Health };
const WAYS = [["wall", "/", "Live"], ["search", "/search", "Search"], ["health", "/health", "Health"]];

function App() {
  const route = useRoute();
  const [helps, help] = useState(false);
  const View = VIEWS[route.view];
  useKeys({ "/": () => route.view !== "search" && go("/search"), "?": () => help(true) });
  useEffect(() => {
    const name = WAYS.find(([view]) => view === route.view)?.[2] ?? "Conversation";
    document.title = `${name} · genscribe`;
    if (route.view === "conversation") watch.seen(route.id);
  }, [route.view, route.id]);
  return html`<div class="frame">
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById("main").focus(); }}>To the content</a>
    <header class="bar">
      <a class="name" href="/" onClick=${follow}><svg viewBox="0 0 32 32" aria-hidden="true"><path d="M6 12v8M12.7 6v16M19.3 11v16M26 12v8" /></svg><span>genscribe</span></a>
      <nav aria-label="Views">
        ${WAYS.map(([view, href, name]) => html`
          <a key=${view} href=${href} onClick=${follow} aria-current=${route.view === view ? "page" : undefined}>${name}${view === "wall" && html`<${Lit} />`}</a>`)}
      </nav>
      <span class="room"></span>
      <${Strip} />
      <${Theme} />
      <button class="icon keys" onClick=${() => help(true)} title="Keys (?)" aria-label="Keys">?</button>
    </header>
    <main id="main" tabindex="-1"><${View} key=${route.view + (route.id ?? "")} route=${route} /></main>
    ${helps && html`<${Help} onClose=${() => help(false)} />`}
  </div>`;
}

// In every view: how many cards a watch word has lit.
function Lit() {
  const [count, set] = useState(watch.lit.size);
  useEffect(() => watch.subscribe(() => set(watch.lit.size)), []);
  return count > 0 && html` <span class="badge number">${count}<span class="hidden"> lit</span></span>`;
}

live.start();
watch.begin();
talk.begin();
// In a task of its own, so that no task is long.
setTimeout(() => render(html`<${App} />`, document.getElementById("app")));
