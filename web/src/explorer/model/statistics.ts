/** Figures per service or operation within one trace. */

import { at } from "./lists";
import type { Trace } from "./trace";

export type Grouping = "service" | "operation";

/** Durations in µs. */
export interface Statistic {
  service: string;
  /** Empty where services are counted whole. */
  operation: string;
  count: number;
  failedCount: number;
  total: number;
  average: number;
  median: number;
  max: number;
  self: number;
  /** Own time as a share of the own times of all spans, 0 to 1. */
  selfShare: number;
}

export function statistics(trace: Trace, grouping: Grouping): Statistic[] {
  const groups = new Map<string, { row: Statistic; durations: number[] }>();
  let selfOfAll = 0;
  for (const span of trace.spans) {
    const operation = grouping === "service" ? "" : span.operation;
    const key = `${span.service}\u0000${operation}`;
    let group = groups.get(key);
    if (!group) {
      const zero = { count: 0, failedCount: 0, total: 0, average: 0, median: 0, max: 0, self: 0, selfShare: 0 };
      groups.set(key, (group = { row: { service: span.service, operation, ...zero }, durations: [] }));
    }
    group.durations.push(span.duration);
    group.row.total += span.duration;
    group.row.self += span.selfTime;
    if (span.isFailed) group.row.failedCount++;
    selfOfAll += span.selfTime;
  }
  return [...groups.values()].map(({ row, durations }) => {
    durations.sort((a, b) => a - b);
    const count = durations.length;
    return {
      ...row,
      count,
      average: row.total / count,
      median: (at(durations, (count - 1) >> 1) + at(durations, count >> 1)) / 2,
      max: at(durations, count - 1),
      selfShare: selfOfAll ? row.self / selfOfAll : 0,
    };
  });
}
