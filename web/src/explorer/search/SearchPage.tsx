/** The search: its whole query stands in the address, so that a search can be kept, sent and gone back to. */

import { type ChangeEvent, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { EmptyState, ErrorState, Loading } from "../../shared/states";
import { toast } from "../../shared/Toasts";
import { fetchServices, keepOpened, searchTraces } from "../api";
import { readTraceFile, TraceFileError } from "../model/jaeger";
import { navigate } from "../navigation";
import { searchPath, tracePath } from "../route";
import { useLoaded } from "../useLoaded";
import { queryFromUrl, queryToUrl, type SearchQuery } from "./query";
import { Results } from "./Results";
import { SearchForm } from "./SearchForm";
import { summaryOf } from "./summary";

const LIVE_MS = 3000;

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

function useFound(query: SearchQuery, services: readonly string[] | null) {
  const load = useCallback(
    async (signal: AbortSignal) => {
      if (!services) return null;
      return (await searchTraces(query, services, signal)).map(summaryOf);
    },
    [query, services],
  );
  return useLoaded(load);
}

function useLive(isLive: boolean, isIdle: boolean, again: () => void): void {
  useEffect(() => {
    if (!isLive || !isIdle) return undefined;
    const timer = setTimeout(again, LIVE_MS);
    return () => clearTimeout(timer);
  }, [isLive, isIdle, again]);
}

export function SearchPage({ params }: { readonly params: URLSearchParams }) {
  const query = useMemo(() => queryFromUrl(params), [params]);
  const services = useLoaded(fetchServices);
  const found = useFound(query, services.data);
  const [isLive, setLive] = useState(false);
  useLive(isLive, found.state !== "loading" && query.end === null, found.again);
  const search = (next: SearchQuery) => {
    const path = searchPath(queryToUrl(next));
    if (path === location.pathname + location.search) found.again();
    else navigate(path);
  };
  if (services.state === "failed") return <ErrorState error={services.error} onRetry={services.again} />;
  return (
    <div className="page">
      <h1 className="visually-hidden">Search</h1>
      <SearchForm key={queryToUrl(query).toString()} query={query} services={services.data ?? []} onSearch={search}>
        <label className="row">
          <input type="checkbox" checked={isLive} onChange={(event) => setLive(event.target.checked)} /> Live
        </label>
        <span className="grow muted">{isLive && `asks again every ${LIVE_MS / 1000} s`}</span>
        <OpenFile />
      </SearchForm>
      <Found found={found} hasServices={services.data === null || services.data.length > 0} />
    </div>
  );
}

function Found({ found, hasServices }: { readonly found: ReturnType<typeof useFound>; readonly hasServices: boolean }) {
  if (found.state === "failed") return <ErrorState error={found.error} onRetry={found.again} />;
  if (!found.data) return <Loading label="Searching" lines={6} />;
  if (!hasServices) {
    return (
      <EmptyState title="No spans have come yet">
        Point an OpenTelemetry exporter at this backend (OTLP over HTTP, port 4318 by default), then search again.
      </EmptyState>
    );
  }
  if (!found.data.length) {
    return <EmptyState title="No trace fits">Look further back in time, or ask for less: fewer tags, wider durations.</EmptyState>;
  }
  return <Results traces={found.data} />;
}
