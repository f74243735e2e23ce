// Keys that work everywhere but while one types or a dialog is open.
import { useLayoutEffect, useRef } from "./ui.mjs";

export function useKeys(keys) {
  const known = useRef(keys);
  known.current = keys;
  // Before what is drawn can be seen: who sees it may press at once.
  useLayoutEffect(() => {
    const press = (event) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (document.querySelector("dialog[open]") || event.target.closest?.("input, textarea, select, [contenteditable]")) return;
      const act = known.current[event.key];
      if (!act) return;
      event.preventDefault();
      act(event);
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}

// → what stands so many further in a list, no further than its ends; from nowhere (-1) the first, or backwards the last.
export const stepped = (list, here, by) => list.at(here < 0 ? Math.min(0, by) : Math.min(Math.max(here + by, 0), list.length - 1));
