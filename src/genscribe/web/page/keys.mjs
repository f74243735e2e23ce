// Keys that work everywhere but while one types or a dialog is open.
import { useLayoutEffect, useRef } from "./ui.mjs";

export function useKeys(keys) {
  const known = useRef();
  known.current = keys;
  // Before what is drawn can be seen: who sees it may press at once.
  useLayoutEffect(() => {
    const press = (event) => {
      const act = known.current[event.key];
      if (!act || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("dialog, input, select")) return;
      event.preventDefault();
      act();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}

// → what stands so many further in a list, no further than its ends; from nowhere (-1) the first, or backwards the last.
export const stepped = (list, here, by) => list.at(here < 0 ? Math.min(0, by) : Math.min(Math.max(here + by, 0), list.length - 1));

// → what moves the focus along the links in a box.
export const stepping = (box, which) => (by) => {
  const links = [...box.current.querySelectorAll(which)];
  stepped(links, links.indexOf(document.activeElement), by)?.focus();
};
