/** Two windows of time against each other. All that is asked stands in the address. */

import "./compare.css";
import { useCallback, useMemo } from "react";
import { EmptyState, ErrorState, Loading } from "../../shared/states";
import { duration, shortTime } from "../../shared/time";
import { percent } from "../monitor/figures";
import { navigate } from "../navigation";
import { ScopeFields } from "../ScopeFields";
import { useLoaded } from "../useLoaded";
import type { Range } from "../window";
import { LengthSelect, WindowFields } from "../WindowFields";
import { MomentInput } from "../MomentInput";
import { Change } from "./Change";
import { CountedOperations, SampledOperations } from "./Operations";
import { SharedValues } from "./SharedValues";
import { AGAINST, compareFromUrl, comparePath, type CompareQuery, fetchComparison, type Sample, type WindowComparison } from "./windows";

const showMs = (ms: number) => duration(ms * 1000);

function Against({ query, onChange }: { readonly query: CompareQuery; readonly onChange: (changed: Partial<CompareQuery>) => void }) {
  const { against, base, end_ms } = query;
  const choose = (next: string) =>
    onChange({ against: next, base: next === "then" ? { lookback: query.lookback, end_ms: base.end_ms ?? (end_ms ?? Date.now()) - 3_600_000 } : base });
  return (
    <>
      <span className="muted">against</span>
      <select aria-label="Against" className="narrow" value={against} onChange={(event) => choose(event.target.value)}>
        {AGAINST.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
      {against === "then" && (
        <>
          <LengthSelect label="Time of the other window" lookback={base.lookback} isNow={false} onChange={(lookback) => onChange({ base: { ...base, lookback } })} />
          <span className="moment">
            <MomentInput aria-label="End of the other window" us={base.end_ms === null ? null : base.end_ms * 1000}
              onChange={(us) => us !== null && onChange({ base: { ...base, end_ms: us / 1000 } })} />
          </span>
        </>
      )}
    </>
  );
}

function RangeText({ range: { start_ms, end_ms } }: { readonly range: Range }) {
  return (
    <span className="number">
      {shortTime(new Date(start_ms))} – {shortTime(new Date(end_ms))}
    </span>
  );
}

function Tile({ name, children }: { readonly name: string; readonly children: React.ReactNode }) {
  return (
    <div className="panel tile">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function failedShare({ failed, traces }: Sample): number | null {
  return traces ? failed / traces : null;
}

function Shown({ found }: { readonly found: WindowComparison }) {
  const { base, other, operations, attributes } = found.traces;
  if (!base.traces && !other.traces && !found.windows.length) {
    return <EmptyState title="Nothing to compare">No trace in either window. Look further back in time, or at all services.</EmptyState>;
  }
  return (
    <>
      <p className="muted">
        <RangeText range={found.base_window} /> → <RangeText range={found.other_window} />. From samples of {base.traces} and {other.traces} traces
        {found.complete ? "." : "; time ran out before all of them were read."}
      </p>
      <dl className="tiles">
        <Tile name="Answer, mean">
          <Change before={base.mean_ms} after={other.mean_ms} show={showMs} />
        </Tile>
        <Tile name="Answer, p50">
          <Change before={base.p50_ms} after={other.p50_ms} show={showMs} />
        </Tile>
        <Tile name="Answer, p95">
          <Change before={base.p95_ms} after={other.p95_ms} show={showMs} />
        </Tile>
        <Tile name="Failed">
          <Change before={failedShare(base)} after={failedShare(other)} show={percent} />
        </Tile>
      </dl>
      <SampledOperations operations={operations} range={found.other_window} />
      <SharedValues values={attributes} range={found.other_window} />
      <CountedOperations operations={found.windows} range={found.other_window} />
    </>
  );
}

export function WindowsPage({ params }: { readonly params: URLSearchParams }) {
  const query = useMemo(() => compareFromUrl(params), [params]);
  const loaded = useLoaded(useCallback((signal: AbortSignal) => fetchComparison(query, signal), [query]));
  const go = (changed: Partial<CompareQuery>) => navigate(comparePath({ ...query, ...changed }), { replace: true });
  return (
    <div className="page">
      <div className="row">
        <h1 className="grow">What got slower</h1>
        <ScopeFields scope={query} onChange={go} />
      </div>
      <div className="row">
        <WindowFields window={query} onChange={go} onAgain={loaded.again}>
          <Against query={query} onChange={go} />
        </WindowFields>
      </div>
      {loaded.state === "failed" && <ErrorState error={loaded.error} onRetry={loaded.again} />}
      {loaded.state === "loading" && <Loading label="Comparing" lines={loaded.data ? 1 : 8} />}
      {loaded.data && <Shown found={loaded.data} />}
    </div>
  );
}
