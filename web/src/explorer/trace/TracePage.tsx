/** The page of one trace: on its way, not there, or shown. */

import { useCallback } from "react";
import { RequestError } from "../../shared/http";
import { EmptyState, ErrorState, Loading } from "../../shared/states";
import { fetchTrace } from "../api";
import { Link } from "../navigation";
import { normalTraceId } from "../route";
import { useLoaded } from "../useLoaded";
import { TraceView } from "./TraceView";

export function TracePage({ id, params }: { readonly id: string; readonly params: URLSearchParams }) {
  const wanted = normalTraceId(id);
  const loaded = useLoaded(useCallback((signal: AbortSignal) => fetchTrace(wanted ?? id, signal), [wanted, id]));
  if (loaded.state === "failed") {
    if (!(loaded.error instanceof RequestError) || loaded.error.status !== 404) {
      return <ErrorState error={loaded.error} onRetry={loaded.again} />;
    }
    return (
      <>
        <h1 className="visually-hidden">Trace {id}</h1>
        <EmptyState title="There is no such trace">
          {id} is not stored here: not yet, no more, or never. Spans can be found a second after they came.{" "}
        <button type="button" className="link" onClick={loaded.again}>
          Look again
        </button>{" "}
        <Link to="/search">Search</Link>
        </EmptyState>
      </>
    );
  }
  if (!loaded.data) return <Loading label="Loading the trace" lines={12} />;
  return <TraceView trace={loaded.data} params={params} />;
}
