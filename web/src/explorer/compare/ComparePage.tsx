/** Two traces call by call: what got slower, what happens more often, what only one of them does. */

import "./compare.css";
import { useCallback, useMemo } from "react";
import { ErrorState, Loading } from "../../shared/states";
import { duration, exactTime, isoFromMicros } from "../../shared/time";
import { fetchTrace } from "../api";
import { aggregateCalls, type CallNode, compareCalls, type ComparedCall } from "../model/aggregate";
import type { Trace } from "../model/trace";
import { Link } from "../navigation";
import { comparePath, normalTraceId, tracePath } from "../route";
import { ServiceName } from "../ServiceName";
import { useLoaded } from "../useLoaded";
import { DifferenceBar } from "./Change";

const ROWS_MAX = 2000;
const INDENT_PX = 14;

function Side({ name, trace }: { readonly name: string; readonly trace: Trace }) {
  return (
    <section className="panel compare-side">
      <h2>
        {name}: <Link to={tracePath(trace.id)}>{`${trace.root.service}: ${trace.root.operation}`}</Link>
      </h2>
      <code className="muted">{trace.id}</code>
      <p>
        <strong>{duration(trace.duration)}</strong>, {trace.spans.length} spans, {trace.failedCount} failed,{" "}
        <span className="muted">{exactTime(isoFromMicros(trace.startTime))}</span>
      </p>
    </section>
  );
}

function Cells({ call }: { readonly call: CallNode | null }) {
  return (
    <>
      <td className="number">{call ? call.count : "–"}</td>
      <td className="number">{call ? duration(call.total) : "–"}</td>
    </>
  );
}

function Difference({ call, longest }: { readonly call: ComparedCall; readonly longest: number }) {
  if (!call.a || !call.b) return <td>{call.a ? <span className="chip">only in A</span> : <span className="chip warn">only in B</span>}</td>;
  return (
    <td>
      <DifferenceBar difference={call.b.total - call.a.total} longest={longest} />
    </td>
  );
}

function Comparison({ a, b }: { readonly a: Trace; readonly b: Trace }) {
  const calls = useMemo(() => compareCalls(aggregateCalls(a), aggregateCalls(b)), [a, b]);
  const longest = calls.reduce((most, call) => Math.max(most, Math.abs((call.b?.total ?? 0) - (call.a?.total ?? 0))), 1);
  return (
    <div className="page">
      <div className="row">
        <h1 className="grow">Comparison of two traces</h1>
        <Link className="button" to={comparePath(b.id, a.id)}>
          Swap
        </Link>
      </div>
      <div className="compare-sides">
        <Side name="A" trace={a} />
        <Side name="B" trace={b} />
      </div>
      <div className="panel table-frame" tabIndex={0} role="region" aria-label="Calls of both traces">
        <table className="comparison">
          <caption className="visually-hidden">Calls of both traces, time in B against A</caption>
          <thead>
            <tr>
              <th scope="col">Call</th>
              <th scope="col" className="number">A: calls</th>
              <th scope="col" className="number">A: time</th>
              <th scope="col" className="number">B: calls</th>
              <th scope="col" className="number">B: time</th>
              <th scope="col">B against A</th>
            </tr>
          </thead>
          <tbody>
            {calls.slice(0, ROWS_MAX).map((call, place) => (
              <tr key={place}>
                <td>
                  <span className="indent" style={{ width: call.depth * INDENT_PX }} />
                  <ServiceName service={call.service} /> {call.operation}
                </td>
                <Cells call={call.a} />
                <Cells call={call.b} />
                <Difference call={call} longest={longest} />
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {calls.length > ROWS_MAX && <p className="muted">The first {ROWS_MAX} of {calls.length} calls are shown.</p>}
    </div>
  );
}

export function ComparePage({ a, b }: { readonly a: string; readonly b: string }) {
  const load = useCallback(
    (signal: AbortSignal) => Promise.all([a, b].map((id) => fetchTrace(normalTraceId(id) ?? id, signal))),
    [a, b],
  );
  const loaded = useLoaded(load);
  if (loaded.state === "failed") return <ErrorState error={loaded.error} onRetry={loaded.again} />;
  const [first, second] = loaded.data ?? [];
  if (!first || !second) return <Loading label="Loading the traces" lines={10} />;
  return <Comparison a={first} b={second} />;
}
