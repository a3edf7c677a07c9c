/** What a trace is: its name, its figures, its services, and what can be done with the whole of it. */

import { type FormEvent, useState } from "react";
import { toast } from "../../shared/Toasts";
import { duration, exactTime, isoFromMicros } from "../../shared/time";
import { archiveTrace, isFromFile } from "../api";
import type { Trace } from "../model/trace";
import { navigate } from "../navigation";
import { comparePath, normalTraceId } from "../route";
import { ServiceName } from "../ServiceName";

function download(trace: Trace): void {
  const text = JSON.stringify({ data: [trace.source] });
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `trace-${trace.id}.json`;
  link.click();
  URL.revokeObjectURL(url);
}

function CompareWith({ id }: { readonly id: string }) {
  const [text, setText] = useState("");
  const compare = (event: FormEvent) => {
    event.preventDefault();
    const other = normalTraceId(text);
    if (other) navigate(comparePath(id, other));
    else toast("bad", "A trace id has 1 to 32 hexadecimal digits.");
  };
  return (
    <form className="row compare-with" onSubmit={compare}>
      <input aria-label="Id of the trace to compare with" placeholder="Compare with id" value={text} spellCheck={false}
        onChange={(event) => setText(event.target.value)} />
      <button type="submit" disabled={!text}>
        Compare
      </button>
    </form>
  );
}

/** Keeps the trace for good. It may be pressed again: spans that came since are kept with the others. */
function Archive({ id, isKept }: { readonly id: string; readonly isKept: boolean }) {
  const [pressed, setState] = useState<"open" | "busy" | "kept">("open");
  const state = isKept && pressed === "open" ? "kept" : pressed;
  const keep = async () => {
    if (state === "busy") return;
    setState("busy");
    try {
      await archiveTrace(id);
      setState("kept");
      toast("good", "Kept: this address shows the trace also when its time is over.");
    } catch (error) {
      setState("open");
      toast("bad", error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <button type="button" onClick={keep} aria-disabled={state === "busy"}>
      {state === "kept" ? "✓ Archived" : "Archive"}
    </button>
  );
}

export interface TraceHeaderProps {
  readonly trace: Trace;
  /** Whether it is kept for good already, as far as that is known. */
  readonly isArchived: boolean;
  readonly onHelp: () => void;
}

export function TraceHeader({ trace, isArchived, onHelp }: TraceHeaderProps) {
  const iso = isoFromMicros(trace.startTime);
  return (
    <div className="trace-header">
      <div className="row">
        <h1 className="grow">
          <span className="muted">{trace.root.service}:</span> {trace.root.operation}{" "}
          {trace.failedCount > 0 && <span className="chip sell">✕ {trace.failedCount === 1 ? "1 error" : `${trace.failedCount} errors`}</span>}
        </h1>
        <CompareWith id={trace.id} />
        {!isFromFile(trace.id) && <Archive id={trace.id} isKept={isArchived} />}
        <button type="button" onClick={() => download(trace)}>
          Download JSON
        </button>
        <button type="button" onClick={onHelp} aria-label="Keys">
          ?
        </button>
      </div>
      <div className="row facts">
        <code>{trace.id}</code>
        <time dateTime={iso} className="number">
          {exactTime(iso)}
        </time>
        <span>
          <strong className="number">{duration(trace.duration)}</strong>
        </span>
        <span>
          <strong>{trace.spans.length.toLocaleString("en")}</strong> spans, <strong>{trace.depthMax + 1}</strong> deep
        </span>
      </div>
      <div className="row services">
        {trace.services.map(([service, count]) => (
          <ServiceName key={service} service={service} count={count} />
        ))}
      </div>
      {trace.source.warnings?.map((warning) => (
        <p key={warning} className="notice warn">
          {warning}
        </p>
      ))}
    </div>
  );
}
