// Keys that work everywhere but while one types or a dialog is open.
import { useEffect, useRef } from "./ui.mjs";

export function useKeys(keys) {
  const known = useRef(keys);
  known.current = keys;
  useEffect(() => {
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
