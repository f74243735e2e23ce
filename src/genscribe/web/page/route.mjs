// Every view is a URL: its path says which view, its query what is chosen in it.
import { useEffect, useState } from "./ui.mjs";

// → { view: "wall" | "conversation" | "search" | "health", id, query: URLSearchParams }
export function read() {
  const [, view, ...rest] = location.pathname.split("/"), query = new URLSearchParams(location.search);
  if (view === "search" || view === "health") return { view, query };
  if (view !== "conversations") return { view: "wall", query };
  let id = rest.join("/");
  try { id = decodeURIComponent(id); } catch { /* as it stands */ }
  return { view: "conversation", id, query };
}

export const conversationUrl = (id, query) => "/conversations/" + encodeURIComponent(id) + asSearch(query);
export const asSearch = (query) => {
  const text = new URLSearchParams(Object.entries(query ?? {}).filter(([, value]) => value)).toString();
  return text && "?" + text;
};

// `replace` leaves no step behind for the Back button (typing in a filter).
export function go(url, { replace } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", url);
  dispatchEvent(new Event("popstate"));
}

export function useRoute() {
  const [route, set] = useState(read);
  useEffect(() => addEventListener("popstate", () => set(read())), []);
  return route;
}

// For onClick of a link of ours: a plain click stays on the page, all others are the browser's.
export function follow(event, how) {
  if (event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(event.currentTarget.getAttribute("href"), how);
}
