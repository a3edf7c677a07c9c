/** The columns of rate, errors and durations, the same wherever they are told. */

import type { Column } from "../../shared/Table";
import { duration } from "../../shared/time";
import { type CallFigures, percent, rate } from "./figures";

export function figureColumns<Row extends CallFigures>(): Column<Row>[] {
  return [
    { key: "calls", title: "Calls", number: true, show: (row) => row.calls.toLocaleString("en"), order: (row) => row.calls },
    { key: "rate", title: "Rate", number: true, show: (row) => rate(row.rate_per_s), order: (row) => row.rate_per_s },
    {
      key: "errors", title: "Errors", number: true, order: (row) => row.error_rate,
      show: (row) => <span className={row.errors > 0 ? "sell" : ""}>{percent(row.error_rate)}</span>,
    },
    ...(["p50_ms", "p95_ms", "p99_ms"] as const).map((key): Column<Row> => ({
      key, title: key.slice(0, 3), number: true, show: (row) => duration(row[key] * 1000), order: (row) => row[key],
    })),
    { key: "total", title: "Time in all", number: true, show: (row) => duration(row.total_ms * 1000), order: (row) => row.total_ms },
  ];
}
