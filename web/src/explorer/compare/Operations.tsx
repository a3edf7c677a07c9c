/** Which operations got slower: by their part of the answer in a sample of traces, and by all of their calls. */

import { useState } from "react";
import { EmptyState } from "../../shared/states";
import { type Column, Table } from "../../shared/Table";
import { duration } from "../../shared/time";
import { percent } from "../monitor/figures";
import { Link } from "../navigation";
import { searchPath } from "../route";
import { queryToUrl } from "../search/query";
import { ServiceName } from "../ServiceName";
import type { Range } from "../window";
import { Change, DifferenceBar } from "./Change";
import { type CountedOperation, type SampledOperation, tracesWith } from "./windows";

const showMs = (ms: number) => duration(ms * 1000);

function nameColumn<Row extends { service: string; operation: string }>(range: Range): Column<Row> {
  return {
    key: "name",
    title: "Operation",
    show: (row) => (
      <span className="operation-name">
        <ServiceName service={row.service} /> <Link to={searchPath(queryToUrl(tracesWith(row, range)))}>{row.operation}</Link>
      </span>
    ),
    order: (row) => `${row.service} ${row.operation}`,
  };
}

export function SampledOperations({ operations, range }: { readonly operations: readonly SampledOperation[]; readonly range: Range }) {
  const [isWhole, setWhole] = useState(false);
  const sure = operations.filter((one) => one.significant);
  const longest = operations.reduce((most, one) => Math.max(most, Math.abs(one.delta_ms) * 1000), 1);
  const columns: Column<SampledOperation>[] = [
    nameColumn(range),
    {
      key: "difference", title: "Part of the answer", order: (row) => row.delta_ms, show: (row) => <DifferenceBar difference={row.delta_ms * 1000} longest={longest} />,
    },
    { key: "path", title: "Waited for, per trace", number: true, show: (row) => <Change before={row.base.path_ms} after={row.other.path_ms} show={showMs} />, order: (row) => row.other.path_ms },
    { key: "p95", title: "p95", number: true, show: (row) => <Change before={row.base.p95_ms} after={row.other.p95_ms} show={showMs} />, order: (row) => row.other.p95_ms ?? 0 },
    { key: "calls", title: "Calls per trace", number: true, show: (row) => <Change before={row.base.calls_per_trace} after={row.other.calls_per_trace} show={(calls) => calls.toFixed(2)} />, order: (row) => row.other.calls_per_trace },
    { key: "errors", title: "Errors", number: true, show: (row) => <Change before={row.base.error_rate} after={row.other.error_rate} show={percent} />, order: (row) => row.other.error_rate },
  ];
  const rows = isWhole ? operations : sure;
  return (
    <section className="panel" aria-labelledby="where">
      <header>
        <h2 id="where" className="grow">
          Where the difference comes from
        </h2>
        <label className="row">
          <input type="checkbox" checked={isWhole} onChange={(event) => setWhole(event.target.checked)} /> Also what may be chance
        </label>
      </header>
      <Table caption="Operations of the sampled traces" columns={columns} rows={rows} rowKey={(row) => `${row.service} ${row.operation}`}
        empty={<EmptyState title="No operation differs beyond chance">The differences are smaller than three standard errors, or too few traces were compared.</EmptyState>} />
    </section>
  );
}

export function CountedOperations({ operations, range }: { readonly operations: readonly CountedOperation[]; readonly range: Range }) {
  if (!operations.length) return null;
  const longest = operations.reduce((most, one) => Math.max(most, Math.abs(one.gained_ms) * 1000), 1);
  const change = (key: "error_rate" | "p50_ms" | "p95_ms" | "rate_per_s", title: string, show: (value: number) => string): Column<CountedOperation> => ({
    key, title, number: true, show: (row) => <Change before={row.base[key]} after={row.other[key]} show={show} />, order: (row) => row.other[key],
  });
  const columns: Column<CountedOperation>[] = [
    nameColumn(range),
    { key: "kind", title: "Kind", show: (row) => row.kind, order: (row) => row.kind },
    {
      key: "gained", title: "Time of all calls", order: (row) => row.gained_ms, show: (row) => <DifferenceBar difference={row.gained_ms * 1000} longest={longest} />,
    },
    { key: "calls", title: "Calls", number: true, show: (row) => `${row.base.calls.toLocaleString("en")} → ${row.other.calls.toLocaleString("en")}`, order: (row) => row.other.calls },
    change("p50_ms", "p50", showMs),
    change("p95_ms", "p95", showMs),
    change("error_rate", "Errors", percent),
  ];
  return (
    <section className="panel" aria-labelledby="all-calls">
      <header>
        <h2 id="all-calls">All calls, not only the sample’s</h2>
      </header>
      <Table caption="Operations by all of their calls" columns={columns} rows={operations} rowKey={(row) => `${row.service} ${row.operation} ${row.kind}`} empty={null} />
    </section>
  );
}
