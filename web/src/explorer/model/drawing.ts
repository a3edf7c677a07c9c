/** From times to places on the screen. */

import type { Interval } from "./trace";

/** Left and width in percent of the window. */
export interface Strip {
  left: number;
  width: number;
}

/** The part of an interval that the window shows, or null if it shows none. An instant has the width 0. */
export function stripOf(interval: Interval, window: Interval): Strip | null {
  if (interval.end < window.start || interval.start > window.end) return null;
  const scale = 100 / (window.end - window.start);
  const start = Math.max(interval.start, window.start);
  return { left: (start - window.start) * scale, width: (Math.min(interval.end, window.end) - start) * scale };
}

/**
 * The strips of intervals (by start), those nearer to each other than `nearest` percent drawn as one: a span may have
 * 100,000 of them, the screen has a thousand pixels.
 */
export function stripsOf(intervals: readonly Interval[], window: Interval, nearest = 0.1): Strip[] {
  const strips: Strip[] = [];
  for (const interval of intervals) {
    const strip = stripOf(interval, window);
    const last = strips.at(-1);
    if (!strip) continue;
    if (last && strip.left - (last.left + last.width) < nearest) {
      last.width = Math.max(last.width, strip.left + strip.width - last.left);
    } else strips.push(strip);
  }
  return strips;
}
