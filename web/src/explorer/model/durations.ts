/** Durations as Go writes them, which is how Jaeger takes them, and the marks of a time scale. */

const UNITS_US: Record<string, number> = {
  ns: 0.001,
  us: 1,
  "µs": 1,
  "μs": 1,
  ms: 1000,
  s: 1_000_000,
  m: 60_000_000,
  h: 3_600_000_000,
  d: 86_400_000_000,
};

/** µs from a duration such as `1.2ms` or `1h30m`, or null. A bare number has no unit and is refused, as Go refuses it. */
export function parseDuration(text: string): number | null {
  const parts = [...text.trim().matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h|d)/g)];
  if (!parts.length || parts.reduce((sum, part) => sum + part[0].length, 0) !== text.trim().length) return null;
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * (UNITS_US[unit ?? ""] ?? Number.NaN), 0);
}

/** Round distances for the marks of a scale from `from` to `to`, at most `count` of them. */
export function ticks(from: number, to: number, count: number): number[] {
  const least = (to - from) / Math.max(count, 1);
  if (!(least > 0)) return [from];
  const power = 10 ** Math.floor(Math.log10(least));
  const step = power * (least <= power ? 1 : least <= 2 * power ? 2 : least <= 5 * power ? 5 : 10);
  const marks: number[] = [];
  for (let mark = Math.ceil(from / step) * step; mark <= to; mark += step) marks.push(mark);
  return marks;
}
