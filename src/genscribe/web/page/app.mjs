// The frame around every view: the bar with the way to each, and the view that the URL names.
import { html, render } from "./ui.mjs";
import { follow, useRoute } from "./route.mjs";
import { Wall } from "./wall.mjs";
import { Conversation } from "./conversation.mjs";
import { Search } from "./search.mjs";
import { Health } from "./health.mjs";
import { Strip } from "./strip.mjs";

const VIEWS = { wall: Wall, conversation: Conversation, search: Search, health: Health };
const WAYS = [["wall", "/", "Live"], ["search", "/search", "Search"], ["health", "/health", "Health"]];

function App() {
  const route = useRoute();
  const View = VIEWS[route.view];
  return html`<div class="frame">
    <header class="bar">
      <a class="name" href="/" onClick=${follow}>genscribe</a>
      <nav aria-label="Views">
        ${WAYS.map(([view, href, name]) => html`
          <a href=${href} onClick=${follow} aria-current=${route.view === view ? "page" : undefined}>${name}</a>`)}
      </nav>
      <span class="room"></span>
      <${Strip} />
    </header>
    <main id="main" tabindex="-1"><${View} key=${route.view + (route.id ?? "")} route=${route} /></main>
  </div>`;
}

render(html`<${App} />`, document.getElementById("app"));
