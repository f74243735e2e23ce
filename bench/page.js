// What the page gets and shows, and when: put into the page by `page.py` before its own scripts run.
// Times are epoch milliseconds, so that they can be compared with those of the process that commits.
(() => {
  const seen = { arrived: [], shown: [], drawn: [], long: [], first: null, asked: null };
  window.__bench = seen;
  const texts = new Map(); // of the cards that are drawn: element → { id, since, text }

  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) seen.long.push([performance.timeOrigin + task.startTime, task.duration]);
  }).observe({ type: "longtask", buffered: true });

  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) if (one.name.includes("live=yes")) seen.asked ??= [one.startTime, one.responseEnd, one.decodedBodySize];
  }).observe({ type: "resource", buffered: true });

  window.EventSource = class extends EventSource {
    constructor(...given) {
      super(...given);
      this.addEventListener("events", (event) => seen.arrived.push([Number(event.lastEventId), Date.now()]));
    }
  };

  const after = (act) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = act;
    port2.postMessage(null);
  };

  const cards = (nodes) => [...nodes].filter((node) => node.nodeType === 1)
    .flatMap((node) => (node.matches(".card") ? [node] : [...node.querySelectorAll(".card")]));
  const text = (card) => card.querySelector(".last .speech")?.textContent.trim() ?? "";

  new MutationObserver((changes) => {
    const touched = new Set(), now = Date.now();
    for (const { target, addedNodes, removedNodes } of changes) {
      for (const card of cards(removedNodes)) {
        const was = texts.get(card);
        if (was && !card.isConnected) { texts.delete(card); seen.drawn.push([was.id, was.since, now]); }
      }
      for (const card of cards(addedNodes)) if (!texts.has(card)) texts.set(card, { id: card.dataset.id, since: now, text: text(card) });
      const card = (target.nodeType === 1 ? target : target.parentElement)?.closest(".card");
      if (card && texts.has(card)) touched.add(card);
    }
    const fresh = [];
    for (const card of touched) {
      const known = texts.get(card), said = text(card);
      if (known && said !== known.text) { known.text = said; fresh.push([known.id, said]); }
    }
    if (!fresh.length && (seen.first || !texts.size)) return;
    // In a task after the next frame's own work: what it shows has been handed over to be drawn.
    requestAnimationFrame(() => after(() => {
      const at = Date.now();
      for (const [id, said] of fresh) seen.shown.push([id, said, at]);
      seen.first ??= performance.now();
    }));
  }).observe(document, { childList: true, characterData: true, subtree: true });

  seen.told = () => {
    const now = Date.now();
    return { ...seen, told: null, drawn: [...seen.drawn, ...[...texts.values()].map((one) => [one.id, one.since, now])] };
  };
})();
