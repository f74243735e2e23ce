// → the server's answer; throws Error with words for people and the HTTP status, if there was one. `signal` ends it.
export async function ask(path, params = {}, signal) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of [value].flat()) if (one != null && one !== "") search.append(name, one);
  }
  const answer = await fetch("/api/" + path + (search.size ? "?" + search : ""), { signal });
  if (answer.ok) return answer.json();
  const { error } = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(error?.what ?? `The server answered ${answer.status}.`), { status: answer.status });
}
