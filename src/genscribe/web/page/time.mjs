// Times for people, in the viewer's zone.
import { useEffect, useState } from "./ui.mjs";

// Made when first asked for: each takes the browser some milliseconds.
const lazy = (options) => { let made; return { format: (time) => (made ??= new Intl.DateTimeFormat(undefined, options)).format(time) }; };
const CLOCK = lazy({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const DAY = lazy({ day: "numeric", month: "short", year: "numeric" });
const SHORT = lazy({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

const when = (time) => (typeof time === "number" ? time : Date.parse(time ?? ""));
const written = (format, time) => { const at = when(time); return Number.isNaN(at) ? "–" : format.format(at); };

export const clock = (time) => written(CLOCK, time);

// Today only the time of day, else the day as well.
export function dateTime(time) {
  const day = written(DAY, time);
  return day === DAY.format(Date.now()) ? written(SHORT, time) : day + ", " + written(SHORT, time);
}

// "4:07", "1:02:13"
export function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

// "just now", "12 s ago", "5 min ago", "3 h ago", "2 days ago"
export function ago(time, now = Date.now()) {
  const seconds = Math.max(0, (now - when(time)) / 1000);
  if (Number.isNaN(seconds)) return "–";
  if (seconds < 5) return "just now";
  if (seconds < 90) return Math.round(seconds) + " s ago";
  if (seconds < 5400) return Math.round(seconds / 60) + " min ago";
  if (seconds < 129600) return Math.round(seconds / 3600) + " h ago";
  return Math.round(seconds / 86400) + " days ago";
}

export const since = (time) => "since " + dateTime(time);

// The wall clock's time, anew every so many milliseconds; it stands still while nobody looks at the page.
export function useNow(everyMs) {
  const [now, set] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => { if (!document.hidden) set(Date.now()); }, everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
