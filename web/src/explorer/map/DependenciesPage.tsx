/** Which service calls which, as a map and as a table. */

import { useCallback, useMemo } from "react";
import { type Column, Table } from "../../shared/Table";
import { EmptyState, ErrorState, Loading } from "../../shared/states";
import { fetchDependencies } from "../api";
import { parseDuration } from "../model/durations";
import type { DependencyLink } from "../model/jaeger";
import { navigate } from "../navigation";
import { searchPath } from "../route";
import { EMPTY_QUERY, LOOKBACKS, queryToUrl } from "../search/query";
import { ServiceName } from "../ServiceName";
import { useLoaded } from "../useLoaded";
import { layoutMap } from "./layout";
import { MapPicture } from "./MapPicture";

const LOOKBACK_DEFAULT = "24h";

const COLUMNS: readonly Column<DependencyLink>[] = [
  { key: "parent", title: "Caller", show: (link) => <ServiceName service={link.parent} />, order: (link) => link.parent },
  { key: "child", title: "Called", show: (link) => <ServiceName service={link.child} />, order: (link) => link.child },
  { key: "calls", title: "Calls", number: true, show: (link) => link.callCount.toLocaleString("en"), order: (link) => link.callCount },
];

export function DependenciesPage({ params }: { readonly params: URLSearchParams }) {
  const lookback = params.get("lookback") ?? LOOKBACK_DEFAULT;
  const lookbackMs = (parseDuration(lookback) ?? parseDuration(LOOKBACK_DEFAULT) ?? 0) / 1000;
  const loaded = useLoaded(useCallback((signal: AbortSignal) => fetchDependencies(lookbackMs, signal), [lookbackMs]));
  const map = useMemo(() => layoutMap(loaded.data ?? []), [loaded.data]);
  const open = (service: string) => navigate(searchPath(queryToUrl({ ...EMPTY_QUERY, service })));
  return (
    <div className="page">
      <div className="row">
        <h1 className="grow">Which service calls which</h1>
        <select aria-label="Time" value={lookback} className="narrow"
          onChange={(event) => navigate(`/dependencies?lookback=${event.target.value}`, { replace: true })}>
          {LOOKBACKS.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
        <button type="button" onClick={loaded.again}>
          Refresh
        </button>
      </div>
      {loaded.state === "failed" && <ErrorState error={loaded.error} onRetry={loaded.again} />}
      {loaded.state === "loading" && !loaded.data && <Loading label="Loading the calls" lines={8} />}
      {loaded.data?.length === 0 && (
        <EmptyState title="No service has called another">Calls are counted from spans whose parent belongs to another service. Look further back in time.</EmptyState>
      )}
      {loaded.data && loaded.data.length > 0 && (
        <>
          <div className="panel">
            <MapPicture map={map} onService={open} />
          </div>
          <div className="panel">
            <Table caption="Calls between services" columns={COLUMNS} rows={loaded.data} rowKey={(link) => `${link.parent} ${link.child}`} empty={null} />
          </div>
        </>
      )}
    </div>
  );
}
