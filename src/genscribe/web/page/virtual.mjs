// Which of thousands of cards are drawn, and where. Pure, but for the hook that looks at the page.
import { useLayoutEffect, useState } from "./ui.mjs";

export const CARD = { width: 300, height: 142, gap: 12 };
const STEP = CARD.height + CARD.gap;
const MORE = 1; // rows drawn above and below what can be seen

// → { columns, width, from, to, height } for `count` cards in a box so wide, seen from `top` to `bottom`.
export function laid(count, wide, top, bottom) {
  const columns = Math.max(1, Math.floor((wide + CARD.gap) / (CARD.width + CARD.gap)));
  const rows = Math.ceil(count / columns);
  const first = Math.min(Math.max(0, Math.floor(top / STEP) - MORE), Math.max(0, rows - 1));
  const last = Math.min(rows, Math.ceil(bottom / STEP) + MORE);
  return {
    columns, width: (wide - CARD.gap * (columns - 1)) / columns,
    from: first * columns, to: Math.min(count, last * columns), height: Math.max(0, rows * STEP - CARD.gap),
  };
}

// → [left, top] of a card in its box.
export const place = (index, { columns, width }) => [(index % columns) * (width + CARD.gap), Math.floor(index / columns) * STEP];

// What of a box can be seen in the part of the page that scrolls, in whole rows: { wide, top, bottom }.
export function useSight(box, scroller) {
  const [sight, set] = useState({ wide: 0, top: 0, bottom: 0 });
  useLayoutEffect(() => {
    const within = scroller();
    let frame = 0;
    const look = () => {
      frame = 0;
      if (!box.current) return;
      const own = box.current.getBoundingClientRect(), seen = within.getBoundingClientRect();
      const next = { wide: own.width, top: Math.floor((seen.top - own.top) / STEP) * STEP, bottom: Math.ceil((seen.bottom - own.top) / STEP) * STEP };
      set((known) => (known.wide === next.wide && known.top === next.top && known.bottom === next.bottom ? known : next));
    };
    const later = () => { frame ||= requestAnimationFrame(look); };
    const sizes = new ResizeObserver(later);
    sizes.observe(within);
    sizes.observe(box.current);
    within.addEventListener("scroll", later, { passive: true });
    look();
    return () => { cancelAnimationFrame(frame); sizes.disconnect(); within.removeEventListener("scroll", later); };
  }, []);
  return sight;
}
