/** The field for the backend's query language: what is wrong with a query stands beneath it, with the place marked. */

import { Field } from "../../shared/Field";
import type { Refusal } from "./find";

const EXAMPLES: readonly [query: string, what: string][] = [
  ['"insufficient funds"', "the text in any attribute, in any case"],
  ["order.symbol = AAPL AND order.quantity > 100", "values of attributes, on one span; AND may be left out"],
  ["status = error OR duration > 50ms", "either of two"],
  ["NOT (service = batch OR http.route ~ health)", "none of these; ~ holds the text"],
  ["trace.duration >= 1s trace.spans > 50", "of the trace as a whole"],
  ["service = wallet trace.service = gateway", "a span of one service, in a trace of another"],
];

function Marked({ query, place }: { readonly query: string; readonly place: number }) {
  return (
    <code className="refused-query" aria-hidden="true">
      {query.slice(0, place)}
      <mark>{query.slice(place, place + 1) || " "}</mark>
      {query.slice(place + 1)}
    </code>
  );
}

export interface QueryFieldProps {
  readonly typed: string;
  /** What was asked, which `refusal` is about. */
  readonly asked: string;
  readonly refusal: Refusal | null;
  readonly onType: (text: string) => void;
}

export function QueryField({ typed, asked, refusal, onType }: QueryFieldProps) {
  const told = refusal && (
    <>
      {refusal.text}
      {refusal.place !== null && <Marked query={asked} place={refusal.place} />}
    </>
  );
  return (
    <div className="query-field">
      <Field label="Query" error={told}>
        {(attributes) => (
          <input {...attributes} className="mono" value={typed} placeholder='status = error AND NOT "time out"' spellCheck={false} autoCapitalize="off"
            onChange={(event) => onType(event.target.value)} />
        )}
      </Field>
      <details className="query-help">
        <summary>How to write a query</summary>
        <ul>
          {EXAMPLES.map(([query, what]) => (
            <li key={query}>
              <button type="button" className="link" onClick={() => onType(query)}>
                <code>{query}</code>
              </button>{" "}
              <span className="muted">{what}</span>
            </li>
          ))}
        </ul>
      </details>
    </div>
  );
}
