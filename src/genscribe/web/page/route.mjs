// Every view is a URL: its path says which view, its query what is chosen in it.
import { useState, useEffect } from "./ui.mjs";

// → { view: "wall" | "conversation" | "search" | "health", id, query: URLSearchParams }
export function read(location = window.location) {
  const query = new URLSearchParams(location.search);
  const path = location.pathname;
  if (path.startsWith("/conversations/")) {
    let id = path.slice("/conversations/".length);
    try { id = decodeURIComponent(id); } catch { /* as it stands */ }
    return { view: "conversation", id, query };
  }
  if (path === "/search" || path === "/health") return { view: path.slice(1), query };
  return { view: "wall", query };
}

export const conversationUrl = (id, query) => "/conversations/" + encodeURIComponent(id) + asSearch(query);
export const asSearch = (query) => {
  const text = new URLSearchParams(Object.entries(query ?? {}).filter(([, value]) => value)).toString();
  return text && "?" + text;
};

// Goes to a URL of ours; `replace` leaves no step behind for the Back button (typing in a filter).
export function go(url, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", url);
  window.dispatchEvent(new Event("route"));
}

export function useRoute() {
  const [route, set] = useState(read());
  useEffect(() => {
    const turn = () => set(read());
    addEventListener("popstate", turn);
    addEventListener("route", turn);
    return () => { removeEventListener("popstate", turn); removeEventListener("route", turn); };
  }, []);
  return route;
}

// For onClick of a link of ours: a plain click stays on the page, all others are the browser's.
export function follow(event) {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(event.currentTarget.getAttribute("href"));
}
