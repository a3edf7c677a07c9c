/** Rate, errors and durations: of each service, or of each operation of one. All that is shown stands in the address. */

import { useCallback, useMemo } from "react";
import { type Column, Table } from "../../shared/Table";
import { EmptyState, ErrorState, Loading } from "../../shared/states";
import { duration } from "../../shared/time";
import { fetchServices } from "../api";
import { ask } from "../ask";
import { parseDuration } from "../model/durations";
import { navigate } from "../navigation";
import { LOOKBACKS } from "../search/query";
import { ServiceName } from "../ServiceName";
import { useLoaded } from "../useLoaded";
import { type Figures, type Group, monitorFromUrl, monitorPath, type MonitorQuery, percent, rate } from "./figures";
import { GroupPanel } from "./GroupPanel";

/** With charts; the table holds all that were asked for. */
const CHARTED = 12;
/** What is called from outside a process; what it does within is no call. */
const KINDS = ["server", "consumer"];

const COLUMNS: readonly Column<Group>[] = [
  { key: "name", title: "Name", show: (group) => group.operation ?? <ServiceName service={group.service} />, order: (group) => group.operation ?? group.service },
  { key: "calls", title: "Calls", number: true, show: (group) => group.calls.toLocaleString("en"), order: (group) => group.calls },
  { key: "rate", title: "Rate", number: true, show: (group) => rate(group.rate_per_s), order: (group) => group.rate_per_s },
  { key: "errors", title: "Errors", number: true, show: (group) => percent(group.error_rate), order: (group) => group.error_rate },
  ...(["p50_ms", "p95_ms", "p99_ms"] as const).map((key): Column<Group> => ({
    key, title: key.slice(0, 3), number: true, show: (group) => duration(group[key] * 1000), order: (group) => group[key],
  })),
  { key: "total", title: "Time in all", number: true, show: (group) => duration(group.total_ms * 1000), order: (group) => group.total_ms },
];

async function fetchFigures({ service, lookback, end_ms }: MonitorQuery, signal: AbortSignal): Promise<Figures> {
  const params = new URLSearchParams({
    ...(service ? { service, groupBy: "operation" } : { groupBy: "service" }),
    lookback: String((parseDuration(lookback) ?? 0) / 1000),
    endTs: String(end_ms ?? Date.now()),
  });
  for (const kind of KINDS) params.append("spanKind", kind);
  return (await ask(`/api/red?${params}`, { signal })) as Figures;
}

function MonitorBar({ query, services, onAgain }: { readonly query: MonitorQuery; readonly services: readonly string[]; readonly onAgain: () => void }) {
  const go = (changed: Partial<MonitorQuery>) => navigate(monitorPath({ ...query, ...changed }));
  const known = query.service && !services.includes(query.service) ? [...services, query.service] : services;
  return (
    <div className="row">
      <h1 className="grow">{query.service ? <ServiceName service={query.service} /> : "Services"}</h1>
      <select aria-label="Service" className="narrow" value={query.service} onChange={(event) => go({ service: event.target.value })}>
        <option value="">All services</option>
        {known.map((service) => (
          <option key={service}>{service}</option>
        ))}
      </select>
      <select aria-label="Time" className="narrow" value={query.lookback} onChange={(event) => go({ lookback: event.target.value })}>
        {LOOKBACKS.map(([value, text]) => (
          <option key={value} value={value}>
            {query.end_ms === null ? text : text.replace("Last", "The")}
          </option>
        ))}
      </select>
      {query.end_ms === null ? (
        <button type="button" onClick={() => go({ end_ms: Date.now() })}>
          Hold this time
        </button>
      ) : (
        <button type="button" onClick={() => go({ end_ms: null })}>
          Back to now
        </button>
      )}
      <button type="button" onClick={onAgain}>
        Refresh
      </button>
    </div>
  );
}

export function MonitorPage({ params }: { readonly params: URLSearchParams }) {
  const query = useMemo(() => monitorFromUrl(params), [params]);
  const services = useLoaded(fetchServices);
  const loaded = useLoaded(useCallback((signal: AbortSignal) => fetchFigures(query, signal), [query]));
  const figures = loaded.data;
  return (
    <div className="page">
      <MonitorBar query={query} services={services.data ?? []} onAgain={loaded.again} />
      {query.end_ms !== null && <p className="muted">Until {new Date(query.end_ms).toLocaleString()}</p>}
      {loaded.state === "failed" && <ErrorState error={loaded.error} onRetry={loaded.again} />}
      {loaded.state === "loading" && !figures && <Loading label="Loading the figures" lines={10} />}
      {figures?.groups.length === 0 && (
        <EmptyState title="Nothing was called">Server and consumer spans are counted, as they come. Look further back in time.</EmptyState>
      )}
      {figures && figures.groups.length > 0 && (
        <>
          <div className="panel">
            <Table caption="Figures of the whole time" columns={COLUMNS} rows={figures.groups} empty={null}
              rowKey={(group) => `${group.service} ${group.operation ?? ""}`} />
          </div>
          {figures.groups.slice(0, CHARTED).map((group) => (
            <GroupPanel key={`${group.service} ${group.operation ?? ""}`} group={group} figures={figures} query={query} />
          ))}
          {figures.groups_total > CHARTED && (
            <p className="muted">Charts of the {CHARTED} on which most time was spent, of {figures.groups_total}.</p>
          )}
        </>
      )}
    </div>
  );
}
