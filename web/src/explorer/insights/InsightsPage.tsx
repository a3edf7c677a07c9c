/** The worst offenders of a window: what costs most time in total over many traces, each with traces that show it. */

import { useCallback, useMemo } from "react";
import { EmptyState, ErrorState, Loading } from "../../shared/states";
import { duration } from "../../shared/time";
import { titleOf } from "../model/analysis";
import { percent } from "../monitor/figures";
import { navigate } from "../navigation";
import { ScopeFields } from "../ScopeFields";
import { ServiceName } from "../ServiceName";
import { TraceLinks } from "../TraceLinks";
import { useLoaded } from "../useLoaded";
import { WindowFields } from "../WindowFields";
import { fetchInsights, type Insight, type Insights, insightsFromUrl, insightsPath, type InsightsQuery, splitInsights } from "./insights";

const showMs = (ms: number) => duration(ms * 1000);

function Item({ insight, most_ms }: { readonly insight: Insight; readonly most_ms: number }) {
  const times = insight.count === 1 ? "once" : `${insight.count.toLocaleString("en")} times`;
  return (
    <li>
      <span className={`chip ${insight.kind === "error" ? "sell" : "warn"}`}>{titleOf(insight.kind)}</span>
      <div className="grow">
        <div className="row">
          <strong>
            <ServiceName service={insight.service} />
          </strong>
          <strong>{insight.operation}</strong>
        </div>
        <p>{insight.summary}</p>
        <div className="row muted">
          <span>
            {times}, in {percent(insight.share_of_traces)} of the traces{insight.max_cost_ms > 0 && `, ${showMs(insight.max_cost_ms)} at worst`}
          </span>
          <TraceLinks ids={insight.example_trace_ids} />
        </div>
      </div>
      {insight.total_cost_ms > 0 && (
        <div className="number cost">
          <strong>{showMs(insight.total_cost_ms)}</strong>
          <span className="muted">in all</span>
        </div>
      )}
      <span className="share" aria-hidden="true" style={{ width: `${most_ms ? (100 * insight.total_cost_ms) / most_ms : 0}%` }} />
    </li>
  );
}

function Items({ title, insights }: { readonly title: string; readonly insights: readonly Insight[] }) {
  if (!insights.length) return null;
  return (
    <section className="panel" aria-label={title}>
      <header>
        <h2>{title}</h2>
      </header>
      <ol className="insights">
        {insights.map((insight) => (
          <Item key={`${insight.kind} ${insight.service} ${insight.operation} ${insight.summary}`} insight={insight} most_ms={insights[0]?.total_cost_ms ?? 0} />
        ))}
      </ol>
    </section>
  );
}

function Shown({ found }: { readonly found: Insights }) {
  if (!found.traces) return <EmptyState title="No trace to look at">Look further back in time, or at all services.</EmptyState>;
  const { dear, free } = splitInsights(found.insights);
  return (
    <>
      <p className="muted">
        From {found.traces === 1 ? "1 trace" : `${found.traces} traces`}, half of them drawn at random and half the slowest
        {found.complete ? "." : "; time ran out before all of the sample was read."}
      </p>
      {!found.insights.length && <EmptyState title="Nothing stands out">No error, no retry, no wait that could be saved.</EmptyState>}
      <Items title="What costs most time" insights={dear} />
      <Items title="What goes wrong" insights={free} />
    </>
  );
}

export function InsightsPage({ params }: { readonly params: URLSearchParams }) {
  const query = useMemo(() => insightsFromUrl(params), [params]);
  const loaded = useLoaded(useCallback((signal: AbortSignal) => fetchInsights(query, signal), [query]));
  const go = (changed: Partial<InsightsQuery>) => navigate(insightsPath({ ...query, ...changed }), { replace: true });
  return (
    <div className="page">
      <div className="row">
        <h1 className="grow">Where time is lost</h1>
        <ScopeFields scope={query} onChange={go} />
        <WindowFields window={query} onChange={go} onAgain={loaded.again} />
      </div>
      {loaded.state === "failed" && <ErrorState error={loaded.error} onRetry={loaded.again} />}
      {loaded.state === "loading" && <Loading label="Looking through the traces" lines={loaded.data ? 1 : 8} />}
      {loaded.data && <Shown found={loaded.data} />}
    </div>
  );
}
