/** Rate, errors and durations: of each service, or of each operation of one. All that is shown stands in the address. */

import "./monitor.css";
import { useCallback, useMemo } from "react";
import { type Column, Table } from "../../shared/Table";
import { EmptyState, ErrorState, Loading } from "../../shared/states";
import { fetchServices } from "../api";
import { ask } from "../ask";
import { NameSelect } from "../NameSelect";
import { navigate } from "../navigation";
import { ServiceName } from "../ServiceName";
import { useLoaded } from "../useLoaded";
import { apiWindow } from "../window";
import { WindowFields } from "../WindowFields";
import { figureColumns } from "./figureColumns";
import { type Figures, type Group, monitorFromUrl, monitorPath, type MonitorQuery } from "./figures";
import { GroupPanel } from "./GroupPanel";

/** With charts; the table holds all that were asked for. */
const CHARTED = 12;
/** What is called from outside a process; what it does within is no call. */
const KINDS = ["server", "consumer"];

const COLUMNS: readonly Column<Group>[] = [
  { key: "name", title: "Name", show: (group) => group.operation ?? <ServiceName service={group.service} />, order: (group) => group.operation ?? group.service },
  ...figureColumns<Group>(),
];

async function fetchFigures({ service, ...window }: MonitorQuery, signal: AbortSignal): Promise<Figures> {
  const params = new URLSearchParams({
    ...(service ? { service, groupBy: "operation" } : { groupBy: "service" }),
    ...apiWindow(window),
  });
  for (const kind of KINDS) params.append("spanKind", kind);
  return (await ask(`/api/red?${params}`, { signal })) as Figures;
}

function MonitorBar({ query, services, onAgain }: { readonly query: MonitorQuery; readonly services: readonly string[]; readonly onAgain: () => void }) {
  const go = (changed: Partial<MonitorQuery>) => navigate(monitorPath({ ...query, ...changed }));
  return (
    <div className="row">
      <h1 className="grow">{query.service ? <ServiceName service={query.service} /> : "Services"}</h1>
      <NameSelect aria-label="Service" className="narrow" all="All services" names={services} value={query.service} onChoose={(service) => go({ service })} />
      <WindowFields window={query} onChange={go} onAgain={onAgain} />
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
