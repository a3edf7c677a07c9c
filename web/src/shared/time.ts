/** Times and durations as people read them. Times of the API are ISO 8601 in UTC to the microsecond. */

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** "14:03:07" today, "Mar 4, 14:03:07" on other days, in the reader's zone. */
export function shortTime(date: Date, now: Date = new Date()): string {
  const clock = CLOCK.format(date);
  return date.toDateString() === now.toDateString() ? clock : `${DAY.format(date)}, ${clock}`;
}

/** The time of a mark on a scale, with as many decimals of a second as marks that lie `step_us` apart differ in. */
export function markTime(time_us: number, step_us: number): string {
  const whole_us = Math.round(time_us);
  const clock = shortTime(new Date(Math.floor(whole_us / 1000)));
  if (step_us >= 1e6) return clock;
  return `${clock}.${String(whole_us % 1e6).padStart(6, "0").slice(0, step_us >= 1000 ? 3 : 6)}`;
}

/** The full time for a tooltip: the reader's day and clock with the six decimals that a Date does not hold. */
export function exactTime(iso: string): string {
  const date = new Date(iso);
  const fraction = /\.(\d+)/.exec(iso)?.[1]?.padEnd(6, "0").slice(0, 6) ?? "000000";
  const zone = -date.getTimezoneOffset();
  const offset = `${zone < 0 ? "−" : "+"}${pad(Math.floor(Math.abs(zone) / 60))}:${pad(Math.abs(zone) % 60)}`;
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${CLOCK.format(date)}.${fraction} UTC${offset}`;
}

/** Microseconds of Unix time as the API's ISO text. */
export function isoFromMicros(time_us: number): string {
  const seconds = new Date(Math.floor(time_us / 1e6) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(time_us % 1e6).padStart(6, "0")}Z`;
}

/** A duration in the unit that reads best: "840 µs", "1.25 ms", "3.20 s", "2 m 05 s". */
export function duration(duration_us: number): string {
  if (duration_us < 1000) return `${Math.round(duration_us)} µs`;
  if (duration_us < 1e6) return `${significant(duration_us / 1000)} ms`;
  if (duration_us < 60e6) return `${significant(duration_us / 1e6)} s`;
  const seconds = Math.round(duration_us / 1e6);
  return `${Math.floor(seconds / 60)} m ${pad(seconds % 60)} s`;
}

function significant(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}
