/** The search: its whole query stands in the address, so that a search can be kept, sent and gone back to. */

import "./search.css";
import { type ChangeEvent, useCallback, useMemo, useRef } from "react";
import { EmptyState, ErrorState, Loading } from "../../shared/states";
import { toast } from "../../shared/Toasts";
import { fetchServices, keepOpened } from "../api";
import { LiveTail } from "../live/LiveTail";
import { readTraceFile, TraceFileError } from "../model/jaeger";
import { navigate } from "../navigation";
import { searchPath, tracePath } from "../route";
import { useLoaded } from "../useLoaded";
import { findTraces, refusalOf } from "./find";
import { filterParams, LIMIT_MAX, queryFromUrl, queryToUrl, type SearchQuery } from "./query";
import { Results } from "./Results";
import { SearchForm } from "./SearchForm";

async function openFile(event: ChangeEvent<HTMLInputElement>): Promise<void> {
  const [file] = event.target.files ?? [];
  event.target.value = "";
  if (!file) return;
  try {
    const traces = readTraceFile(await file.text());
    keepOpened(traces);
    if (traces[0]) navigate(tracePath(traces[0].traceID));
    if (traces.length > 1) toast("plain", `The file holds ${traces.length} traces; this is the first.`);
  } catch (error) {
    if (!(error instanceof TraceFileError)) throw error;
    toast("bad", `${file.name}: ${error.message}`);
  }
}

function OpenFile() {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" onClick={() => input.current?.click()}>
        Open a JSON file
      </button>
      <input ref={input} type="file" accept=".json,application/json" hidden aria-label="Trace file" onChange={openFile} />
    </>
  );
}

function addressOf(query: SearchQuery, isLive: boolean): string {
  const params = queryToUrl(query);
  if (isLive) params.set("live", "1");
  return searchPath(params);
}

export function SearchPage({ params }: { readonly params: URLSearchParams }) {
  const query = useMemo(() => queryFromUrl(params), [params]);
  const isLive = params.get("live") === "1";
  const services = useLoaded(fetchServices);
  const found = useLoaded(useCallback((signal: AbortSignal) => (isLive ? Promise.resolve(null) : findTraces(query, signal)), [query, isLive]));
  const search = (next: SearchQuery) => {
    const path = addressOf(next, isLive);
    if (path === location.pathname + location.search) found.again();
    else navigate(path);
  };
  const refusal = found.state === "failed" ? refusalOf(found.error) : null;
  const more = () => navigate(addressOf({ ...query, limit: Math.min(query.limit * 2, LIMIT_MAX) }, false), { replace: true });
  return (
    <div className="page">
      <h1 className="visually-hidden">Search</h1>
      <SearchForm query={query} services={services.data ?? []} refusal={refusal} onSearch={search}>
        <button type="button" aria-pressed={isLive} onClick={() => navigate(addressOf(query, !isLive))}>
          {isLive ? "End live" : "Follow live"}
        </button>
        <span className="grow" />
        <OpenFile />
      </SearchForm>
      {isLive ? (
        <LiveTail params={filterParams(query).toString()} />
      ) : (
        !refusal && <FoundTraces found={found} query={query} hasServices={services.data === null || services.data.length > 0} onMore={more} />
      )}
    </div>
  );
}

interface FoundTracesProps {
  readonly found: ReturnType<typeof useLoaded<Awaited<ReturnType<typeof findTraces>> | null>>;
  readonly query: SearchQuery;
  readonly hasServices: boolean;
  readonly onMore: () => void;
}

function FoundTraces({ found, query, hasServices, onMore }: FoundTracesProps) {
  if (found.state === "failed") return <ErrorState error={found.error} onRetry={found.again} />;
  if (!found.data) return <Loading label="Searching" lines={6} />;
  if (!hasServices) {
    return (
      <EmptyState title="No spans have come yet">
        Point an OpenTelemetry exporter at this backend (OTLP over HTTP, port 4318 by default), then search again.
      </EmptyState>
    );
  }
  if (!found.data.traces.length) {
    return <EmptyState title="No trace fits">Look further back in time, or ask for less: fewer tags, wider durations.</EmptyState>;
  }
  return <Results key={query.pick} found={found.data} startOrder={query.pick === "newest" ? "newest" : "longest"} onMore={query.limit < LIMIT_MAX ? onMore : null} />;
}
