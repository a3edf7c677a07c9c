/** The form of a search. It holds what is typed; what is asked stands in the address and comes back from there. */

import { type FormEvent, type ReactNode, useCallback, useEffect, useState } from "react";
import { Field } from "../../shared/Field";
import { fetchOperations } from "../api";
import { MomentInput } from "../MomentInput";
import { NameSelect } from "../NameSelect";
import { useLoaded } from "../useLoaded";
import type { Refusal } from "./find";
import { QueryField } from "./QueryField";
import { CUSTOM, LIMIT_MAX, LOOKBACKS, PICKS, problemsOf, type SearchQuery } from "./query";
import { parseTags, TagTextError, tagsText } from "./tags";

interface Typed extends Omit<SearchQuery, "tags" | "limit"> {
  tags: string;
  limit: string;
}

function typedOf(query: SearchQuery): Typed {
  return { ...query, tags: tagsText(query.tags), limit: String(query.limit) };
}

function readTyped(typed: Typed): { query: SearchQuery; problems: Record<string, string> } {
  const problems: Record<string, string> = {};
  let tags: Record<string, string> = {};
  try {
    tags = parseTags(typed.tags);
  } catch (error) {
    if (!(error instanceof TagTextError)) throw error;
    problems.tags = error.message;
  }
  const limit = Number(typed.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MAX) problems.limit = `From 1 to ${LIMIT_MAX}`;
  const isCustom = typed.lookback === CUSTOM;
  const window = isCustom ? { start: typed.start, end: typed.end } : { start: null, end: null };
  if (isCustom && typed.start === null) problems.start = "Give a start";
  const query: SearchQuery = { ...typed, ...window, q: typed.q.trim(), tags, limit, traceIds: [] };
  return { query, problems: { ...problemsOf(query), ...problems } };
}

interface PartProps {
  readonly typed: Typed;
  readonly problems: Record<string, string>;
  readonly set: (change: Partial<Typed>) => void;
}

function TextField({ name, label, placeholder, typed, problems, set }: PartProps & {
  readonly name: "tags" | "minDuration" | "maxDuration";
  readonly label: string;
  readonly placeholder: string;
}) {
  return (
    <Field label={label} error={problems[name]}>
      {(attributes) => (
        <input {...attributes} value={typed[name]} placeholder={placeholder} spellCheck={false}
          onChange={(event) => set({ [name]: event.target.value })} />
      )}
    </Field>
  );
}

function MomentField({ name, label, typed, problems, set }: PartProps & { readonly name: "start" | "end"; readonly label: string }) {
  return (
    <Field label={label} error={problems[name]}>
      {(attributes) => (
        <MomentInput {...attributes} us={typed[name]} onChange={(us) => set({ [name]: us })} />
      )}
    </Field>
  );
}

function PickFields({ typed, problems, set }: PartProps) {
  const picks = PICKS.some(([value]) => value === typed.pick) ? PICKS : [...PICKS, [typed.pick, `The slowest ${typed.pick} %`] as const];
  return (
    <div className="pair picks">
      <Field label="Of those that fit">
        {(attributes) => (
          <select {...attributes} value={typed.pick} onChange={(event) => set({ pick: event.target.value })}>
            {picks.map(([value, text]) => (
              <option key={value} value={value}>
                {text}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label="At most" error={problems.limit}>
        {(attributes) => (
          <input {...attributes} inputMode="numeric" value={typed.limit} onChange={(event) => set({ limit: event.target.value })} />
        )}
      </Field>
    </div>
  );
}

function TimeFields({ typed, problems, set }: PartProps) {
  const isListed = LOOKBACKS.some(([value]) => value === typed.lookback) || typed.lookback === CUSTOM;
  const lookbacks = isListed ? LOOKBACKS : [...LOOKBACKS, [typed.lookback, `Last ${typed.lookback}`] as const];
  return (
    <>
      <Field label="Time">
        {(attributes) => (
          <select {...attributes} value={typed.lookback} onChange={(event) => set({ lookback: event.target.value })}>
            {lookbacks.map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
            <option value={CUSTOM}>From … to …</option>
          </select>
        )}
      </Field>
      {typed.lookback === CUSTOM && (
        <>
          <MomentField name="start" label="From" typed={typed} problems={problems} set={set} />
          <MomentField name="end" label="To (empty: now)" typed={typed} problems={problems} set={set} />
        </>
      )}
    </>
  );
}

export interface SearchFormProps {
  readonly query: SearchQuery;
  readonly services: readonly string[];
  /** Why the backend did not take the query, if it did not. */
  readonly refusal: Refusal | null;
  readonly onSearch: (query: SearchQuery) => void;
  /** Stands beside the button. */
  readonly children: ReactNode;
}

export function SearchForm({ query, services, refusal, onSearch, children }: SearchFormProps) {
  const [typed, setTyped] = useState<Typed>(() => typedOf(query));
  const [problems, setProblems] = useState<Record<string, string>>({});
  useEffect(() => setTyped(typedOf(query)), [query]);
  const { service } = typed;
  const operations = useLoaded(
    useCallback(async (signal: AbortSignal) => (service ? fetchOperations(service, signal) : []), [service]),
  );
  const set = (change: Partial<Typed>) => setTyped((before) => ({ ...before, ...change }));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const read = readTyped(typed);
    setProblems(read.problems);
    if (!Object.keys(read.problems).length) onSearch(read.query);
  };
  const part = { typed, problems, set };
  return (
    <form className="panel search-form" onSubmit={submit} aria-label="Search for traces">
      <QueryField typed={typed.q} asked={query.q} refusal={refusal} onType={(q) => set({ q })} />
      <Field label="Service">
        {(attributes) => (
          <NameSelect {...attributes} all="All services" names={services} value={service} onChoose={(name) => set({ service: name, operation: "" })} />
        )}
      </Field>
      <Field label="Operation">
        {(attributes) => (
          <NameSelect {...attributes} all="All operations" names={operations.data ?? []} value={typed.operation} onChoose={(name) => set({ operation: name })} />
        )}
      </Field>
      <TextField name="tags" label="Tags" placeholder={'error=true http.route="/v1/order"'} {...part} />
      <div className="pair">
        <TextField name="minDuration" label="Longer than" placeholder="1.2ms" {...part} />
        <TextField name="maxDuration" label="Shorter than" placeholder="2s" {...part} />
      </div>
      <TimeFields {...part} />
      <PickFields {...part} />
      <div className="row search-tools">
        <button type="submit" className="primary">
          Find traces
        </button>
        {children}
      </div>
    </form>
  );
}
