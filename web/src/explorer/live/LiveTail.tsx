/** Spans as they are stored: the roots of traces, or whatever fits the search above. */

import { useEffect, useReducer, useState } from "react";
import { EmptyState, ErrorState } from "../../shared/states";
import { duration, exactTime, isoFromMicros, shortTime } from "../../shared/time";
import { Link } from "../navigation";
import { tracePath } from "../route";
import { ServiceName } from "../ServiceName";
import { follow } from "./stream";
import { changeTail, EMPTY_TAIL, KEPT_MAX, type LiveBatch, type LiveSpan, narrowed, type Tail } from "./tail";

type Connection = { state: "connecting" | "live" } | { state: "lost" | "refused"; error: unknown };

/** The tail of `/api/live` for these parameters; another search begins a new one. */
function useTail(params: string) {
  const [tail, dispatch] = useReducer(changeTail, EMPTY_TAIL);
  const [connection, setConnection] = useState<Connection>({ state: "connecting" });
  useEffect(() => {
    const stop = new AbortController();
    const listener = {
      onOpen: () => setConnection({ state: "live" }),
      onLost: (error: unknown) => setConnection({ state: "lost", error }),
      onRefused: (error: unknown) => setConnection({ state: "refused", error }),
      onData: (data: string) => dispatch({ type: "came", batch: JSON.parse(data) as LiveBatch }),
    };
    setConnection({ state: "connecting" });
    void follow(`/api/live?${params}`, listener, stop.signal);
    return () => stop.abort();
  }, [params]);
  return { tail, dispatch, connection };
}

const WORDS: Readonly<Record<Connection["state"], string>> = {
  connecting: "Connecting…",
  live: "Live",
  lost: "Connection lost. Trying again…",
  refused: "Refused",
};

function Row({ span }: { readonly span: LiveSpan }) {
  const iso = isoFromMicros(span.start_us);
  return (
    <li className={span.status === "ERROR" ? "failed" : ""}>
      <time className="number muted" dateTime={iso} title={exactTime(iso)}>
        {shortTime(new Date(span.start_us / 1000))}
      </time>
      <Link to={tracePath(span.trace_id, span.parent_id ? span.span_id : undefined)} className="trace-name">
        <ServiceName service={span.service} /> {span.operation}
      </Link>
      {span.status === "ERROR" && <span className="chip sell">✕ error</span>}
      <strong className="number">{duration(span.duration_us)}</strong>
    </li>
  );
}

function Spans({ tail, shown }: { readonly tail: Tail; readonly shown: readonly LiveSpan[] }) {
  if (shown.length) {
    return (
      <ol className="live-spans" aria-label="Live spans, newest first">
        {shown.map((span) => (
          <Row key={`${span.trace_id} ${span.span_id}`} span={span} />
        ))}
      </ol>
    );
  }
  if (tail.shown.length) return <EmptyState title="Nothing shown has this">Change the filter to see the {tail.shown.length} spans that came.</EmptyState>;
  return <EmptyState title="Waiting for spans">What comes in and fits the search above shows here about a second later.</EmptyState>;
}

export function LiveTail({ params }: { readonly params: string }) {
  const { tail, dispatch, connection } = useTail(params);
  const [text, setText] = useState("");
  const [onlyFailed, setOnlyFailed] = useState(false);
  const isLive = connection.state === "live";
  const shown = narrowed(tail.shown, text, onlyFailed);
  return (
    <section className="panel live" aria-label="Live spans">
      <header className="row">
        <span className={`connection ${isLive && !tail.isPaused ? "live" : connection.state}`} role="status">
          <span aria-hidden="true" className="dot" /> {isLive && tail.isPaused ? "Paused" : WORDS[connection.state]}
        </span>
        <button type="button" onClick={() => dispatch({ type: tail.isPaused ? "go-on" : "pause" })}>
          {tail.isPaused ? `Go on${tail.held.length ? ` (${tail.held.length} new)` : ""}` : "Pause"}
        </button>
        <button type="button" onClick={() => dispatch({ type: "clear" })} disabled={!tail.shown.length}>
          Clear
        </button>
        <input className="live-filter" aria-label="Filter what is shown" placeholder="Filter what is shown" value={text} spellCheck={false}
          onChange={(event) => setText(event.target.value)} />
        <label className="row">
          <input type="checkbox" checked={onlyFailed} onChange={(event) => setOnlyFailed(event.target.checked)} /> Errors only
        </label>
        <span className="grow" />
        <span className="number muted">
          {tail.matched.toLocaleString("en")} came, the newest {KEPT_MAX} are kept
        </span>
      </header>
      {"error" in connection && <ErrorState error={connection.error} />}
      {connection.state !== "refused" && <Spans tail={tail} shown={shown} />}
    </section>
  );
}
