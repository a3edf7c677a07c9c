/** The page of one trace: on its way, not there, or shown. */

import { type ReactNode, useCallback } from "react";
import { RequestError } from "../../shared/http";
import { EmptyState, ErrorState, Loading } from "../../shared/states";
import { fetchTrace } from "../api";
import { Link } from "../navigation";
import { normalTraceId } from "../route";
import { useLoaded } from "../useLoaded";
import { TraceView } from "./TraceView";

function NoTrace({ id, title, children }: { readonly id: string; readonly title: string; readonly children: ReactNode }) {
  return (
    <>
      <h1 className="visually-hidden">Trace {id}</h1>
      <EmptyState title={title}>
        {children} <Link to="/search">Search</Link>
      </EmptyState>
    </>
  );
}

export function TracePage({ id, params }: { readonly id: string; readonly params: URLSearchParams }) {
  const wanted = normalTraceId(id);
  if (wanted) return <StoredTrace id={wanted} params={params} />;
  return (
    <NoTrace id={id} title="That is no trace id">
      {id} is none: a trace id has 1 to 32 hexadecimal digits.
    </NoTrace>
  );
}

function StoredTrace({ id, params }: { readonly id: string; readonly params: URLSearchParams }) {
  const loaded = useLoaded(useCallback((signal: AbortSignal) => fetchTrace(id, signal), [id]));
  if (loaded.state === "failed") {
    if (!(loaded.error instanceof RequestError) || loaded.error.status !== 404) {
      return <ErrorState error={loaded.error} onRetry={loaded.again} />;
    }
    return (
      <NoTrace id={id} title="There is no such trace">
        {id} is not stored here: not yet, no more, or never. Spans can be found a second after they came.{" "}
        <button type="button" className="link" onClick={loaded.again}>
          Look again
        </button>
      </NoTrace>
    );
  }
  if (!loaded.data) return <Loading label="Loading the trace" lines={12} />;
  return <TraceView trace={loaded.data} params={params} />;
}
