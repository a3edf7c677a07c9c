/** Which service calls which, how often, how fast and with how many errors: as a map and as a table. */

import { useCallback, useMemo } from "react";
import { type Column, Table } from "../../shared/Table";
import { EmptyState, ErrorState, Loading } from "../../shared/states";
import { figureColumns } from "../monitor/figureColumns";
import { Link, navigate } from "../navigation";
import { searchPath } from "../route";
import { queryToUrl, type SearchQuery } from "../search/query";
import { Segments } from "../../shared/Segments";
import { ServiceName } from "../ServiceName";
import { useLoaded } from "../useLoaded";
import { type TimeWindow, windowFromUrl, windowParams } from "../window";
import { WindowFields } from "../WindowFields";
import { fetchGraph, type GraphEdge, type Measure, MEASURE_NAMES, MEASURES, type ServiceGraph, tracesOfEdge, tracesOfService } from "./graph";
import { layoutMap } from "./layout";
import { MapPicture } from "./MapPicture";

const pathTo = (query: SearchQuery) => searchPath(queryToUrl(query));

function columnsIn(window: TimeWindow): Column<GraphEdge>[] {
  return [
    { key: "parent", title: "Caller", show: (edge) => <ServiceName service={edge.parent} />, order: (edge) => edge.parent },
    { key: "child", title: "Called", show: (edge) => <ServiceName service={edge.child} />, order: (edge) => edge.child },
    ...figureColumns<GraphEdge>(),
    {
      key: "traces", title: "Leads to", show: (edge) => (
        <span className="row">
          <Link to={pathTo(tracesOfEdge(edge, window))} aria-label={`Traces of ${edge.parent} calling ${edge.child}`}>
            traces
          </Link>
          {edge.errors > 0 && (
            <Link to={pathTo(tracesOfEdge(edge, window, true))} aria-label={`Failed traces of ${edge.parent} calling ${edge.child}`}>
              failed
            </Link>
          )}
        </span>
      ),
    },
  ];
}

function Graph({ graph, window, measure }: { readonly graph: ServiceGraph; readonly window: TimeWindow; readonly measure: Measure }) {
  const map = useMemo(() => layoutMap(graph.edges, graph.nodes.map((node) => node.service)), [graph]);
  const nodes = useMemo(() => new Map(graph.nodes.map((node) => [node.service, node])), [graph]);
  return (
    <>
      <div className="panel">
        <MapPicture map={map} nodes={nodes} measure={measure} onService={(service) => navigate(pathTo(tracesOfService(service, window)))}
          onEdge={(edge) => navigate(pathTo(tracesOfEdge(edge, window)))} />
      </div>
      <div className="panel">
        <Table caption="Calls between services" columns={columnsIn(window)} rows={graph.edges} rowKey={(edge) => `${edge.parent} ${edge.child}`}
          empty={<EmptyState title="No service has called another" />} />
      </div>
    </>
  );
}

export function DependenciesPage({ params }: { readonly params: URLSearchParams }) {
  const window = useMemo(() => windowFromUrl(params), [params]);
  const measure = MEASURES.find((one) => one === params.get("show")) ?? "rate";
  const loaded = useLoaded(useCallback((signal: AbortSignal) => fetchGraph(window, signal), [window]));
  const go = (changed: TimeWindow, show: Measure) =>
    navigate(`/dependencies?${new URLSearchParams({ ...windowParams(changed), ...(show === "rate" ? {} : { show }) })}`, { replace: true });
  return (
    <div className="page">
      <div className="row">
        <h1 className="grow">Which service calls which</h1>
        <Segments label="Arrows show" choices={MEASURES.map((one) => [one, MEASURE_NAMES[one]] as const)} chosen={measure} onChoose={(show) => go(window, show)} />
        <WindowFields window={window} onChange={(changed) => go(changed, measure)} onAgain={loaded.again} />
      </div>
      {loaded.state === "failed" && <ErrorState error={loaded.error} onRetry={loaded.again} />}
      {loaded.state === "loading" && !loaded.data && <Loading label="Loading the calls" lines={8} />}
      {loaded.data?.nodes.length === 0 && (
        <EmptyState title="No service has called another">Calls are counted from spans whose parent belongs to another service. Look further back in time.</EmptyState>
      )}
      {loaded.data && loaded.data.nodes.length > 0 && <Graph graph={loaded.data} window={window} measure={measure} />}
    </div>
  );
}
