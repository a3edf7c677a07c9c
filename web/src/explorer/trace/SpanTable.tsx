/** The spans of a trace as a table that sorts and filters; the address says how. */

import { useMemo } from "react";
import { type Column, sorted } from "../../shared/Table";
import { EmptyState } from "../../shared/states";
import { duration } from "../../shared/time";
import type { Section } from "../model/criticalPath";
import { parseDuration } from "../model/durations";
import { filteredSpans, filterFromUrl, type SpanFilter, sortingFromUrl } from "../model/spanTable";
import type { Span, Trace } from "../model/trace";
import { changeParams } from "../navigation";
import { ServiceName } from "../ServiceName";
import { SpanGrid } from "./SpanGrid";

export interface SpanTableProps {
  readonly trace: Trace;
  readonly params: URLSearchParams;
  readonly critical: ReadonlyMap<number, readonly Section[]>;
  /** The spans that were found by text, null where nothing was looked for. */
  readonly found: readonly number[] | null;
  readonly onShow: (place: number) => void;
}

function columnsOf(critical: SpanTableProps["critical"]): readonly Column<Span>[] {
  const onPath = (span: Span) => (critical.get(span.index) ?? []).reduce((sum, section) => sum + section.end - section.start, 0);
  return [
    { key: "service", title: "Service", show: (span) => <ServiceName service={span.service} />, order: (span) => span.service },
    {
      key: "operation",
      title: "Operation",
      show: (span) => (
        <>
          {span.isFailed && <span className="sell" role="img" aria-label="failed">✕ </span>}
          {span.operation}
        </>
      ),
      order: (span) => span.operation,
    },
    { key: "start", title: "Start", number: true, show: (span) => duration(span.start), order: (span) => span.start },
    { key: "duration", title: "Duration", number: true, show: (span) => duration(span.duration), order: (span) => span.duration },
    { key: "self", title: "Own time", number: true, show: (span) => duration(span.selfTime), order: (span) => span.selfTime },
    { key: "critical", title: "Critical path", number: true, show: (span) => (onPath(span) ? duration(onPath(span)) : ""), order: onPath },
    { key: "children", title: "Calls", number: true, show: (span) => span.children.length || "", order: (span) => span.children.length },
    { key: "kind", title: "Kind", show: (span) => span.kind, order: (span) => span.kind },
    { key: "id", title: "Id", show: (span) => <code>{span.id}</code> },
  ];
}

function Filters({ trace, filter }: { readonly trace: Trace; readonly filter: SpanFilter }) {
  const isUnread = filter.minDuration !== "" && parseDuration(filter.minDuration) === null;
  return (
    <div className="row span-filters" role="group" aria-label="Filter the spans">
      <select aria-label="Service" className="narrow" value={filter.service} onChange={(event) => changeParams({ service: event.target.value })}>
        <option value="">All services</option>
        {trace.services.map(([service, count]) => (
          <option key={service} value={service}>{`${service} (${count})`}</option>
        ))}
      </select>
      <input aria-label="Operation has" placeholder="Operation has" value={filter.operation} spellCheck={false}
        onChange={(event) => changeParams({ operation: event.target.value })} />
      <input aria-label="Took at least" placeholder="Took at least: 1.5ms" value={filter.minDuration} spellCheck={false}
        {...(isUnread ? { "aria-invalid": true, title: "A number with its unit: 200us, 1.5ms, 2s" } : {})}
        onChange={(event) => changeParams({ minDuration: event.target.value })} />
      <label className="row">
        <input type="checkbox" checked={filter.onlyFailed} onChange={(event) => changeParams({ failed: event.target.checked ? "1" : "" })} /> Failed only
      </label>
    </div>
  );
}

export function SpanTable({ trace, params, critical, found, onShow }: SpanTableProps) {
  const filter = useMemo(() => filterFromUrl(params), [params]);
  const sorting = useMemo(() => sortingFromUrl(params), [params]);
  const columns = useMemo(() => columnsOf(critical), [critical]);
  const passing = useMemo(() => filteredSpans(trace, filter, found), [trace, filter, found]);
  const rows = useMemo(() => sorted(passing, columns, sorting), [passing, columns, sorting]);
  const [shown, all] = [rows.length.toLocaleString("en"), trace.spans.length.toLocaleString("en")];
  return (
    <div className="panel span-table">
      <header>
        <Filters trace={trace} filter={filter} />
        <span className="muted number" role="status">
          {rows.length === trace.spans.length ? `${all} spans` : `${shown} of ${all} spans`}
        </span>
      </header>
      {rows.length ? (
        <SpanGrid rows={rows} columns={columns} sorting={sorting} onShow={onShow} />
      ) : (
        <EmptyState title="No span fits">Ask for less in the fields above.</EmptyState>
      )}
    </div>
  );
}
