// The frame around every view: the bar, and the view that the URL names.
import { html, render, useEffect, useRef, useState } from "./ui.mjs";
import { Conversation } from "./conversation.mjs";
import { Health } from "./health.mjs";
import { useKeys } from "./keys.mjs";
import { live, useLive } from "./live.mjs";
import { follow, go, useRoute } from "./route.mjs";
import { Search } from "./search.mjs";
import { verdict } from "./verdict.mjs";
import { Wall } from "./wall.mjs";
import { watch } from "./watch.mjs";

const VIEWS = { wall: Wall, conversation: Conversation, search: Search, health: Health };
const WAYS = [["wall", "/", "Live"], ["search", "/search", "Search"], ["health", "/health", "Health"]];
const KEYS = [["/", "search what was said"], ["j", "next card, line or result"], ["k", "the one before"], ["Enter", "open it"], ["w", "watch words"],
  ["G", "newest line of a conversation"], ["Esc", "back"], ["?", "these keys"]];
const THEMES = [["as the system", "light dark"], ["light", "light"], ["dark", "dark"]];

function App() {
  const route = useRoute(), { view, id } = route, View = VIEWS[view];
  const keys = useRef(), help = () => keys.current.showModal();
  useKeys({ "/": () => view !== "search" && go("/search"), "?": help });
  useEffect(() => {
    document.title = `${WAYS.find(([name]) => name === view)?.[2] ?? "Conversation"} · genscribe`;
    if (id) watch.seen(id);
  }, [view, id]);
  return html`<header class="bar">
      <a class="name" href="/" onClick=${follow}><span>genscribe</span></a>
      <nav aria-label="Views">${WAYS.map(([name, href, words]) => html`
        <a key=${name} href=${href} onClick=${follow} aria-current=${view === name ? "page" : null}>${words}${name === "wall" && html`<${Lit} />`}</a>`)}</nav>
      <${Strip} /><${Theme} />
      <button class="icon keys" onClick=${help} title="Keys (?)" aria-label="Keys">?</button>
    </header>
    <main id="main"><${View} key=${view + id} route=${route} /></main>
    <dialog ref=${keys} aria-label="Keys"><form method="dialog"><h2>Keys</h2>
      <dl>${KEYS.map(([key, what]) => html`<dt><kbd>${key}</kbd></dt><dd>${what}</dd>`)}</dl><button class="button">Close</button></form></dialog>`;
}

// How many cards a watch word has lit.
function Lit() {
  const count = useLive(() => watch.lit().length);
  return count > 0 && html` <span class="badge number">${count}<span class="hidden"> lit</span></span>`;
}

// Whether all is heard, in a sentence.
function Strip() {
  const [tone, words] = useLive(({ pulse, state }) => {
    if (state === "lost") return "bad\nThis page lost its server, trying again";
    if (!pulse || state === "starting") return "idle\nConnecting…";
    const { tone, head } = verdict({ running: pulse.running, status: { ...pulse, hearing: pulse } });
    return tone + "\n" + head;
  }).split("\n");
  return html`<a class=${"pulse " + tone} href="/health" onClick=${follow} title="How genscribe is doing">
    <span class="dot"></span><span class="words" role="status">${words}</span></a>`;
}

let kept = 0; // of THEMES
try { kept = Number(localStorage.theme) % 3 || 0; } catch { /* not allowed here */ }

function Theme() {
  const [theme, set] = useState(kept), [name, scheme] = THEMES[theme];
  document.documentElement.style.colorScheme = scheme;
  const turn = () => {
    set((theme + 1) % 3);
    try { localStorage.theme = theme + 1; } catch { /* for this time only */ }
  };
  return html`<button class="icon" onClick=${turn} title=${"Colours: " + name} aria-label=${`Colours: ${name}. Change`}>${"◐○●"[theme]}</button>`;
}

live.start();
// In a task of its own, so that no task is long.
setTimeout(() => render(html`<${App} />`, document.getElementById("app")));
