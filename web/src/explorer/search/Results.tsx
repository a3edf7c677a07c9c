/** The found traces: a scatter plot above, and a list or a table; two of them can be chosen for comparison. */

import { useMemo, useState } from "react";
import { type Column, Table } from "../../shared/Table";
import { duration, exactTime, isoFromMicros, shortTime } from "../../shared/time";
import { Link, navigate } from "../navigation";
import { comparePath, tracePath } from "../route";
import { Segments } from "../../shared/Segments";
import { ServiceName } from "../ServiceName";
import { ScatterPlot } from "./ScatterPlot";
import type { Found } from "./find";
import { ORDERS, type Order, sortSummaries, type TraceSummary } from "./summary";

type View = "list" | "table";

function When({ us }: { readonly us: number }) {
  const iso = isoFromMicros(us);
  return (
    <time dateTime={iso} title={exactTime(iso)}>
      {shortTime(new Date(us / 1000))}
    </time>
  );
}

function Failed({ count }: { readonly count: number }) {
  return count ? <span className="chip sell">✕ {count === 1 ? "1 error" : `${count} errors`}</span> : null;
}

interface Choice {
  readonly chosen: readonly string[];
  readonly onChoose: (id: string) => void;
}

function ChooseBox({ trace, chosen, onChoose }: Choice & { readonly trace: TraceSummary }) {
  return (
    <input type="checkbox" aria-label={`Compare trace ${trace.id.slice(0, 8)}`} title="Choose two to compare"
      checked={chosen.includes(trace.id)} onChange={() => onChoose(trace.id)} />
  );
}

function ResultList({ traces, ...choice }: Choice & { readonly traces: readonly TraceSummary[] }) {
  const longest = Math.max(...traces.map((trace) => trace.duration), 1);
  return (
    <ol className="panel results">
      {traces.map((trace) => (
        <li key={trace.id}>
          <ChooseBox trace={trace} {...choice} />
          <div className="grow">
            <div className="row">
              <Link to={tracePath(trace.id)} className="trace-name">
                {trace.service}: {trace.operation}
              </Link>
              <code className="muted">{trace.id.slice(0, 8)}</code>
              <Failed count={trace.failedCount} />
            </div>
            <div className="row services">
              {trace.services.map(([service, count]) => (
                <ServiceName key={service} service={service} count={count} />
              ))}
            </div>
          </div>
          <div className="figures number">
            <strong>{duration(trace.duration)}</strong>
            <span className="muted">{trace.spanCount === 1 ? "1 span" : `${trace.spanCount} spans`}</span>
            <span className="muted">
              <When us={trace.startTime} />
            </span>
          </div>
          <span className="share" aria-hidden="true" style={{ width: `${(100 * trace.duration) / longest}%` }} />
        </li>
      ))}
    </ol>
  );
}

function tableColumns(choice: Choice): Column<TraceSummary>[] {
  return [
    { key: "choose", title: <span className="visually-hidden">Compare</span>, show: (trace) => <ChooseBox trace={trace} {...choice} /> },
    {
      key: "name",
      title: "Trace",
      show: (trace) => <Link to={tracePath(trace.id)}>{`${trace.service}: ${trace.operation}`}</Link>,
      order: (trace) => `${trace.service}: ${trace.operation}`,
    },
    { key: "id", title: "Id", show: (trace) => <code>{trace.id.slice(0, 16)}</code> },
    { key: "start", title: "Start", number: true, show: (trace) => <When us={trace.startTime} />, order: (trace) => trace.startTime },
    { key: "took", title: "Duration", number: true, show: (trace) => duration(trace.duration), order: (trace) => trace.duration },
    { key: "spans", title: "Spans", number: true, show: (trace) => trace.spanCount, order: (trace) => trace.spanCount },
    { key: "services", title: "Services", number: true, show: (trace) => trace.services.length, order: (trace) => trace.services.length },
    { key: "errors", title: "Errors", number: true, show: (trace) => <Failed count={trace.failedCount} />, order: (trace) => trace.failedCount },
  ];
}

/** "20 of 1,240 traces"; "at least" where the backend stopped counting. */
function countText({ traces, total, isExact }: Found): string {
  if (traces.length === total && isExact) return total === 1 ? "1 trace" : `${total.toLocaleString("en")} traces`;
  return `${traces.length.toLocaleString("en")} of ${isExact ? "" : "at least "}${total.toLocaleString("en")} traces`;
}

export interface ResultsProps {
  readonly found: Found;
  readonly startOrder: Order;
  /** Shows more of them; null where no more can be asked for. */
  readonly onMore: (() => void) | null;
}

export function Results({ found, startOrder, onMore }: ResultsProps) {
  const { traces } = found;
  const [order, setOrder] = useState<Order>(startOrder);
  const [view, setView] = useState<View>("list");
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const sorted = useMemo(() => sortSummaries(traces, order), [traces, order]);
  // Two are compared: a third choice takes the place of the older one.
  const onChoose = (id: string) =>
    setChosen((before) => (before.includes(id) ? before.filter((one) => one !== id) : [...before.slice(-1), id]));
  const [a, b] = chosen;
  const count = countText(found);
  return (
    <>
      <div className="panel">
        <ScatterPlot traces={traces} />
      </div>
      <div className="row result-bar">
        <h2 className="grow">{count}</h2>
        <span role="status" className="visually-hidden">
          Found {count}
        </span>
        <button type="button" disabled={!a || !b} onClick={() => a && b && navigate(comparePath(a, b))}>
          Compare {chosen.length} of 2
        </button>
        {view === "list" && (
          <select aria-label="Order" value={order} onChange={(event) => setOrder(event.target.value as Order)}>
            {ORDERS.map(([value, text]) => (
              <option key={value} value={value}>
                {text}
              </option>
            ))}
          </select>
        )}
        <Segments label="Show as" choices={[["list", "List"], ["table", "Table"]]} chosen={view} onChoose={setView} />
      </div>
      {view === "list" ? (
        <ResultList traces={sorted} chosen={chosen} onChoose={onChoose} />
      ) : (
        <div className="panel">
          <Table caption="Found traces" columns={tableColumns({ chosen, onChoose })} rows={sorted} rowKey={(trace) => trace.id} empty={null} />
        </div>
      )}
      {onMore && found.total > traces.length && (
        <p className="more">
          <button type="button" onClick={onMore}>
            Show more
          </button>
        </p>
      )}
    </>
  );
}
