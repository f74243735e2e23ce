// Times for people, in the viewer's zone.
import { useEffect, useState } from "./ui.mjs";

// → format(time); what formats is made when first asked for, as it takes some milliseconds. A time is ISO text or epoch ms.
const written = (options, made) => (time) => {
  const at = +new Date(time ?? NaN);
  return at ? (made ??= new Intl.DateTimeFormat(undefined, options)).format(at) : "–";
};
const SHORT = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const short = written(SHORT), day = written({ day: "numeric", month: "short", year: "numeric" });
export const clock = written({ ...SHORT, second: "2-digit" });

// Today only the time of day, else the day as well.
const dated = (format) => (time) => (new Date(time) < new Date().setHours(0, 0, 0, 0) ? day(time) + ", " : "") + format(time);
export const dateTime = dated(short);
export const moment = dated(clock);

// "4:07", "1:02:13"
export function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000)), hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60;
  const two = (number) => String(number).padStart(2, "0");
  return (hours ? `${hours}:${two(minutes)}` : minutes) + ":" + two(seconds % 60);
}

// "4.2 s", "12 s", "5 min", "3 h", "2 days"
export function span(seconds) {
  if (seconds < 10) return Math.round(seconds * 10) / 10 + " s";
  const [unit, name] = seconds < 120 ? [1, "s"] : seconds < 7200 ? [60, "min"] : seconds < 172800 ? [3600, "h"] : [86400, "days"];
  return `${Math.round(seconds / unit)} ${name}`;
}

// The wall clock's time, anew every so many milliseconds; it stands still while nobody looks at the page.
export function useNow(everyMs) {
  const [now, set] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => { if (!document.hidden) set(Date.now()); }, everyMs);
    return () => clearInterval(timer);
  }, []);
  return now;
}
