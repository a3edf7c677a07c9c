/** Everything a span says: tags, events, links, its resource and what is odd about it. */

import { type ReactNode, useLayoutEffect, useRef } from "react";
import { toast } from "../../shared/Toasts";
import { duration, exactTime, isoFromMicros } from "../../shared/time";
import type { Section } from "../model/criticalPath";
import type { KeyValue } from "../model/jaeger";
import { gapsOf, type Span, tagValue, type Trace } from "../model/trace";
import { Link } from "../navigation";
import { tracePath } from "../route";

const GAPS_SHOWN_MAX = 3;

/** A tag's value as text; JSON that came as text is laid out. */
function valueText(value: unknown): string {
  if (typeof value !== "string") return typeof value === "object" ? JSON.stringify(value, null, 2) : String(value);
  if (!/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.stringify(JSON.parse(value), null, 2);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return value; // Begins like JSON and is none: shown as it came.
  }
}

async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast("good", `${what} copied`);
  } catch (error) {
    toast("bad", `The browser refused to copy: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function Tags({ title, tags }: { readonly title?: string; readonly tags: readonly KeyValue[] }) {
  if (!tags.length) return null;
  return (
    <section>
      {title && <h3>{title}</h3>}
      <dl className="tags">
        {tags.map((tag, place) => (
          <div key={`${tag.key}-${place}`}>
            <dt>{tag.key}</dt>
            <dd>{valueText(tag.value)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Events({ span, trace }: { readonly span: Span; readonly trace: Trace }) {
  if (!span.source.logs.length) return null;
  return (
    <section>
      <h3>Events</h3>
      {span.source.logs.map((log, place) => (
        <details key={place} className="event" open={span.source.logs.length === 1}>
          <summary>
            <span className="number">{duration(Math.max(log.timestamp - trace.startTime - span.start, 0))}</span> into the span:{" "}
            <strong>{String(tagValue(log.fields, "event") ?? "event")}</strong>
          </summary>
          <Tags tags={log.fields} />
        </details>
      ))}
    </section>
  );
}

function Links({ span, trace }: { readonly span: Span; readonly trace: Trace }) {
  if (!span.links.length) return null;
  return (
    <section>
      <h3>Links</h3>
      <ul>
        {span.links.map((link) => {
          const place = link.traceID === trace.id ? trace.placeById.get(link.spanID) : undefined;
          const target = place === undefined ? undefined : trace.spans[place];
          return (
            <li key={`${link.traceID}-${link.spanID}-${link.refType}`}>
              <Link to={tracePath(link.traceID, link.spanID)}>
                {target ? `${target.service}: ${target.operation}` : `span ${link.spanID} of trace ${link.traceID.slice(0, 8)}`}
              </Link>{" "}
              <span className="muted">{link.refType.toLowerCase().replaceAll("_", " ")}</span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function Figure({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd className="number">{children}</dd>
    </div>
  );
}

function Figures({ span, trace, critical }: { readonly span: Span; readonly trace: Trace; readonly critical: readonly Section[] }) {
  const iso = isoFromMicros(trace.startTime + span.start);
  const onPath = critical.reduce((sum, section) => sum + section.end - section.start, 0);
  const waits = span.children.length
    ? gapsOf(trace, span)
        .sort((a, b) => b.end - b.start - (a.end - a.start))
        .slice(0, GAPS_SHOWN_MAX)
    : [];
  return (
    <dl className="span-figures">
      <Figure name="Starts at">
        <time dateTime={iso} title={exactTime(iso)}>
          {duration(span.start)}
        </time>
      </Figure>
      <Figure name="Duration">{duration(span.duration)}</Figure>
      <Figure name="Own time">{duration(span.selfTime)}</Figure>
      <Figure name="On the critical path">{onPath ? duration(onPath) : "none"}</Figure>
      {span.kind && <Figure name="Kind">{span.kind}</Figure>}
      {waits.length > 0 && (
        <Figure name="Longest stretches without a child">
          {waits.map((gap) => `${duration(gap.end - gap.start)} at ${duration(gap.start - span.start)}`).join(", ")}
        </Figure>
      )}
    </dl>
  );
}

export interface SpanDetailProps {
  readonly span: Span;
  readonly trace: Trace;
  readonly critical: readonly Section[];
  readonly top: number;
  /** Called with the height in px whenever it changes. */
  readonly onHeight: (place: number, height: number) => void;
}

export function SpanDetail({ span, trace, critical, top, onHeight }: SpanDetailProps) {
  const frame = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const { current } = frame;
    if (!current) return undefined;
    const measure = () => onHeight(span.index, current.offsetHeight);
    const observer = new ResizeObserver(measure);
    observer.observe(current);
    measure();
    return () => observer.disconnect();
  }, [span.index, onHeight]);
  const link = location.origin + tracePath(trace.id, span.id);
  return (
    <div ref={frame} role="row" className="span-detail" style={{ transform: `translateY(${top}px)` }}>
      <div role="gridcell" aria-colspan={2}>
        <div className="row">
          <h2 className="grow">
            {span.service}: {span.operation}
          </h2>
          <code className="muted">{span.id}</code>
          <button type="button" className="small" onClick={() => copy(link, "Link to the span")}>
            Copy link
          </button>
          <button type="button" className="small" onClick={() => copy(JSON.stringify(span.source, null, 2), "Span")}>
            Copy JSON
          </button>
        </div>
        {span.warnings.map((warning) => (
          <p key={warning} className="notice warn">
            {warning}
          </p>
        ))}
        <Figures span={span} trace={trace} critical={critical} />
        <Tags title="Tags" tags={span.source.tags} />
        <Events span={span} trace={trace} />
        <Links span={span} trace={trace} />
        <Tags title="Resource" tags={span.process.tags} />
      </div>
    </div>
  );
}
