// Asks the server: JSON by fetch, and the stream of what is committed.

// → the answer; throws Error with words for people. `signal` ends it (a newer question, a view that is gone).
export async function ask(path, params = {}, signal) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one != null && one !== "") search.append(name, one);
  }
  const text = search.toString();
  const answer = await fetch("/api/" + path + (text && "?" + text), { signal, credentials: "same-origin" });
  if (answer.ok) return answer.json();
  let what = `The server answered ${answer.status}.`;
  try { what = (await answer.json()).error.what; } catch { /* not ours */ }
  throw Object.assign(new Error(what), { status: answer.status });
}

// Listens from after a seq on, until `close()`. `on` has: events(list, seq), hello({store, head}), reset({head}),
// status(status), state("open" | "lost"). EventSource comes back by itself and says where it was.
export function listen(after, on) {
  const source = new EventSource("/api/events" + (after == null ? "" : "?after=" + after));
  source.addEventListener("events", (event) => on.events(JSON.parse(event.data), Number(event.lastEventId)));
  for (const name of ["hello", "reset", "status"]) {
    source.addEventListener(name, (event) => on[name]?.(JSON.parse(event.data)));
  }
  source.addEventListener("open", () => on.state?.("open"));
  source.addEventListener("error", () => on.state?.("lost"));
  return source;
}
