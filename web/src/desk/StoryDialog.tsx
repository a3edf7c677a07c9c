/** The way of an order, or of a request that failed: its story in sentences, the waterfall beside it, the explorer behind it. */

import { type CSSProperties, useEffect, useState } from "react";
import { Dialog } from "../shared/Dialog";
import { RequestError } from "../shared/http";
import { EmptyState, ErrorState, Loading } from "../shared/states";
import { duration } from "../shared/time";
import * as desk from "./desk";
import { describeOrder } from "./orderColumns";
import { type Step, story, totalUs, words } from "./story";
import type { Order, Span, Trace } from "./types";
import { rows } from "./waterfall";

/** Spans arrive up to some seconds after the answer, those of the settlement last. */
const ASK_EVERY_MS = 700;
const ASK_FOR_MS = 12_000;
/** Same number of spans so many times in a row: that was all of them. */
const STEADY = 3;

const MARKS: Readonly<Record<Step["kind"], string>> = { done: "✓", answer: "↩", refused: "✕", undone: "↶", failed: "!" };

export interface StoryDialogProps {
  readonly orderId?: string;
  readonly traceId?: string;
}

export function StoryDialog({ orderId, traceId }: StoryDialogProps) {
  const { trace, order, error, waiting } = useWay(orderId, traceId);
  const [marked, setMarked] = useState("");
  const title = order ? `The way of your order: ${describeOrder(order)}` : orderId ? "The way of your order" : "What happened";
  return (
    <Dialog title={title} wide onClose={() => desk.shownStory.set(null)}>
      {error !== null && <ErrorState error={error} />}
      {trace === null && waiting && <Loading label="Reading the trace" lines={6} />}
      {trace === null && !waiting && error === null && (
        <EmptyState title="No trace arrived">It was not recorded, or is older than what the trace backend keeps.</EmptyState>
      )}
      {trace && (
        <>
          <div className="way">
            <StepList steps={story(trace)} marked={marked} onMark={setMarked} />
            <Waterfall spans={trace.spans} marked={marked} onMark={setMarked} />
          </div>
          <p className="row muted">
            <span role="status">
              {trace.spans.length} spans, {duration(totalUs(trace.spans))} in all
              {waiting && "; more may arrive"}
            </span>
            <span className="grow" />
            <a href={trace.explorer_url} className="button">
              Open in the explorer
            </a>
          </p>
          {order && order.fills.length > 0 && trace.spans.every((span) => span.name !== "settle_trade") && (
            <p className="notice">This order waited in the book and was filled by orders that came later: each fill is in the trace of the order that came.</p>
          )}
        </>
      )}
    </Dialog>
  );
}

interface Way {
  readonly trace: Trace | null;
  readonly order: Order | null;
  readonly error: unknown;
  /** More may still come. */
  readonly waiting: boolean;
}

/** Reads the trace again and again until no more spans arrive. */
function useWay(orderId: string | undefined, traceId: string | undefined): Way {
  const [way, setWay] = useState<Way>({ trace: null, order: null, error: null, waiting: true });
  useEffect(() => {
    let steady = 0;
    let known = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let gone = false;
    const until = Date.now() + ASK_FOR_MS;
    const ask = async () => {
      const account = desk.mine();
      const answer = await (orderId ? account.orderTrace(orderId) : account.trace(traceId ?? "")).catch((failure: unknown) => failure);
      if (gone) return;
      if (answer instanceof Error && !(answer instanceof RequestError && answer.code === "trace_not_found")) {
        setWay((was) => ({ ...was, error: answer, waiting: false }));
        return;
      }
      const trace = answer instanceof Error ? null : (answer as Trace);
      steady = trace !== null && trace.spans.length === known ? steady + 1 : 0;
      known = trace?.spans.length ?? 0;
      const waiting = steady < STEADY && Date.now() < until;
      setWay((was) => ({ ...was, trace: trace ?? was.trace, waiting }));
      if (waiting) timer = setTimeout(() => void ask(), ASK_EVERY_MS);
    };
    void ask();
    if (orderId) {
      const told = (order: Order) => gone || setWay((was) => ({ ...was, order }));
      // Without the order the dialog only lacks its title; the trace's own error tells what is wrong.
      desk.mine().order(orderId).then(told, () => undefined);
    }
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [orderId, traceId]);
  return way;
}

interface Marking {
  readonly marked: string;
  readonly onMark: (spanId: string) => void;
}

function StepList({ steps, marked, onMark }: Marking & { readonly steps: readonly Step[] }) {
  return (
    <ol className="steps" aria-label="Story">
      {steps.map((step) => (
        <li key={step.key} className={`${step.kind} ${step.spanId === marked ? "marked" : ""}`}>
          <button type="button" onClick={() => onMark(step.spanId)} onPointerEnter={() => onMark(step.spanId)}>
            <span className="mark" aria-hidden="true">
              {MARKS[step.kind]}
            </span>
            <span>{step.text}</span>
          </button>
        </li>
      ))}
    </ol>
  );
}

function Waterfall({ spans, marked, onMark }: Marking & { readonly spans: readonly Span[] }) {
  return (
    <div className="waterfall table-frame" tabIndex={0} role="region" aria-label="Waterfall">
      <table>
        <caption className="visually-hidden">Spans in the order of the tree, with start and duration</caption>
        <thead className="visually-hidden">
          <tr>
            <th scope="col">Operation</th>
            <th scope="col">When</th>
            <th scope="col">Duration</th>
          </tr>
        </thead>
        <tbody>
          {rows(spans).map(({ span, depth, start, length }) => (
            <tr key={span.span_id} className={span.span_id === marked ? "marked" : ""} onPointerEnter={() => onMark(span.span_id)}>
              <th scope="row" style={{ paddingLeft: `${8 + depth * 12}px` }}>
                <span className={`service ${hueOf(span.service)}`} aria-hidden="true" /> {words(span.name)}
                <span className="muted"> {span.service}</span>
              </th>
              <td className="lane">
                <span
                  className={`span-bar ${hueOf(span.service)} ${span.error || span.attributes["refusal.code"] ? "bad" : ""}`}
                  style={{ left: `${start * 100}%`, width: `max(2px, ${length * 100}%)` } as CSSProperties}
                />
              </td>
              <td className="number">{duration(span.duration_us)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const HUES: Readonly<Record<string, string>> = {
  "client-gateway": "hue-0", "user-service": "hue-1", "wallet-service": "hue-2", "risk-manager": "hue-3", "order-manager": "hue-4",
  "matching-engine": "hue-5", "market-data": "hue-6", reporting: "hue-7", notification: "hue-8",
};

function hueOf(service: string): string {
  return HUES[service] ?? "hue-0";
}
