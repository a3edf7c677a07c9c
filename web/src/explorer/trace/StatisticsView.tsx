/** Figures per service or operation of one trace, in a table that sorts. */

import { useMemo, useState } from "react";
import { type Column, Table } from "../../shared/Table";
import { duration } from "../../shared/time";
import { type Grouping, type Statistic, statistics } from "../model/statistics";
import type { Trace } from "../model/trace";
import { ServiceName } from "../ServiceName";

const GROUPINGS: readonly [value: Grouping, text: string][] = [
  ["operation", "By operation"],
  ["service", "By service"],
];

function took(key: "total" | "average" | "median" | "max" | "self", title: string): Column<Statistic> {
  return { key, title, number: true, show: (row) => duration(row[key]), order: (row) => row[key] };
}

const SERVICE: Column<Statistic> = { key: "service", title: "Service", show: (row) => <ServiceName service={row.service} />, order: (row) => row.service };
const OPERATION: Column<Statistic> = { key: "operation", title: "Operation", show: (row) => row.operation, order: (row) => row.operation };
const FIGURES: readonly Column<Statistic>[] = [
  { key: "count", title: "Spans", number: true, show: (row) => row.count, order: (row) => row.count },
  { key: "failed", title: "Errors", number: true, show: (row) => row.failedCount || "", order: (row) => row.failedCount },
  took("total", "Total"),
  took("average", "Average"),
  took("median", "Median"),
  took("max", "Longest"),
  took("self", "Own time"),
  { key: "share", title: "Share of own time", number: true, show: (row) => `${(100 * row.selfShare).toFixed(1)} %`, order: (row) => row.selfShare },
];

export function StatisticsView({ trace }: { readonly trace: Trace }) {
  const [grouping, setGrouping] = useState<Grouping>("operation");
  const rows = useMemo(() => statistics(trace, grouping).sort((a, b) => b.self - a.self), [trace, grouping]);
  return (
    <div className="panel">
      <header>
        <select aria-label="Group spans" value={grouping} onChange={(event) => setGrouping(event.target.value as Grouping)}>
          {GROUPINGS.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </header>
      <Table caption="Statistics of the trace" columns={[SERVICE, ...(grouping === "operation" ? [OPERATION] : []), ...FIGURES]}
        rows={rows} rowKey={(row) => `${row.service} ${row.operation}`} empty={null} />
    </div>
  );
}
