// The frame around every view: the bar with the way to each, and the view that the URL names.
import { html, render } from "./ui.mjs";
import { follow, useRoute } from "./route.mjs";
import { Wall } from "./wall.mjs";
import { Conversation } from "./conversation.mjs";
import { Search } from "./search.mjs";
import { Health } from "./health.mjs";
import { Help } from "./help.mjs";
import { ThemeSwitch } from "./theme.mjs";
import { Strip } from "./strip.mjs";
import { live } from "./live.mjs";

const VIEWS = { wall: Wall, conversation: Conversation, search: Search, health: Health };
const WAYS = [["wall", "/", "Live"], ["search", "/search", "Search"], ["health", "/health", "Health"]];

function App() {
  const route = useRoute();
  const View = VIEWS[route.view];
  return html`<div class="frame">
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById("main").focus(); }}>To the content</a>
    <header class="bar">
      <a class="name" href="/" onClick=${follow}><svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true"><rect width="32" height="32" rx="7" fill="#0f766e"/><path d="M7 12h12M7 17h18M7 22h9" stroke="#fff" stroke-width="2.6" stroke-linecap="round"/></svg>genscribe</a>
      <nav aria-label="Views">
        ${WAYS.map(([view, href, name]) => html`
          <a href=${href} onClick=${follow} aria-current=${route.view === view ? "page" : undefined}>${name}</a>`)}
      </nav>
      <span class="room"></span>
      <${Strip} />
      <span class="signs"><${ThemeSwitch} /><${Help} /></span>
    </header>
    <main id="main" tabindex="-1"><${View} key=${route.view + (route.id ?? "")} route=${route} /></main>
  </div>`;
}

live.start();
render(html`<${App} />`, document.getElementById("app"));
