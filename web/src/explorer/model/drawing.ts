/** From times to places on the screen. */

import { endOf, type Interval, type Trace } from "./trace";

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

/** A bar of the whole trace in small, in pixels. */
export interface MiniBar {
  service: string;
  left: number;
  right: number;
  top: number;
}

/**
 * The spans as bars in a picture of this size, none narrower than `widthMin`. Of a large trace many spans fall on one line
 * of pixels: on each line, bars of a service that touch are one, so that 100,000 spans are some hundred bars.
 */
export function miniatureOf(trace: Trace, width: number, height: number, widthMin: number): MiniBar[] {
  const perUs = width / Math.max(trace.duration, 1);
  const rowHeight = height / trace.spans.length;
  const bars: MiniBar[] = [];
  const onLine = new Map<string, MiniBar>();
  let line = -1;
  for (const span of trace.spans) {
    const top = span.index * rowHeight;
    if (Math.floor(top) !== line) onLine.clear();
    line = Math.floor(top);
    const left = span.start * perUs;
    const right = Math.max(endOf(span) * perUs, left + widthMin);
    const before = onLine.get(span.service);
    if (before && left <= before.right + 1 && right >= before.left - 1) {
      before.left = Math.min(before.left, left);
      before.right = Math.max(before.right, right);
    } else {
      const bar = { service: span.service, left, right, top };
      onLine.set(span.service, bar);
      bars.push(bar);
    }
  }
  return bars;
}
