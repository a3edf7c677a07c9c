/** The form of a search. It holds what is typed; what is asked stands in the address and comes back from there. */

import { type FormEvent, type ReactNode, useCallback, useState } from "react";
import { Field } from "../../shared/Field";
import { fetchOperations } from "../api";
import { useLoaded } from "../useLoaded";
import { CUSTOM, LIMIT_MAX, LOOKBACKS, problemsOf, type SearchQuery } from "./query";
import { parseTags, TagTextError, tagsText } from "./tags";

interface Typed extends Omit<SearchQuery, "tags" | "limit"> {
  tags: string;
  limit: string;
}

/** The text of a `datetime-local` field for µs since 1970, and back; both in the reader's zone. */
function localText(us: number | null): string {
  if (us === null) return "";
  const date = new Date(us / 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

function fromLocalText(text: string): number | null {
  const ms = new Date(text).getTime();
  return Number.isNaN(ms) ? null : ms * 1000;
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
  const query: SearchQuery = { ...typed, ...window, tags, limit, traceIds: [] };
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
        <input {...attributes} type="datetime-local" step={1} value={localText(typed[name])}
          onChange={(event) => set({ [name]: fromLocalText(event.target.value) })} />
      )}
    </Field>
  );
}

/** A choice among names, the first of them standing for all; what is chosen can be chosen even where it is not known. */
function NameField({ label, all, names, value, onChoose }: {
  readonly label: string;
  readonly all: string;
  readonly names: readonly string[];
  readonly value: string;
  readonly onChoose: (name: string) => void;
}) {
  return (
    <Field label={label}>
      {(attributes) => (
        <select {...attributes} value={value} onChange={(event) => onChoose(event.target.value)}>
          <option value="">{all}</option>
          {[...new Set(value ? [...names, value] : names)].map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      )}
    </Field>
  );
}

function TimeFields({ typed, problems, set }: PartProps) {
  const isListed = LOOKBACKS.some(([value]) => value === typed.lookback) || typed.lookback === CUSTOM;
  const lookbacks = isListed ? LOOKBACKS : [...LOOKBACKS, [typed.lookback, `Last ${typed.lookback}`] as const];
  return (
    <>
      <div className="pair">
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
        <Field label="At most" error={problems.limit}>
          {(attributes) => (
            <input {...attributes} inputMode="numeric" value={typed.limit} onChange={(event) => set({ limit: event.target.value })} />
          )}
        </Field>
      </div>
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
  readonly onSearch: (query: SearchQuery) => void;
  /** Stands beside the button. */
  readonly children: ReactNode;
}

export function SearchForm({ query, services, onSearch, children }: SearchFormProps) {
  const [typed, setTyped] = useState<Typed>({ ...query, tags: tagsText(query.tags), limit: String(query.limit) });
  const [problems, setProblems] = useState<Record<string, string>>({});
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
      <NameField label="Service" all="All services" names={services} value={service}
        onChoose={(name) => set({ service: name, operation: "" })} />
      <NameField label="Operation" all="All operations" names={operations.data ?? []} value={typed.operation}
        onChoose={(name) => set({ operation: name })} />
      <TextField name="tags" label="Tags" placeholder={'error=true http.route="/v1/order"'} {...part} />
      <div className="pair">
        <TextField name="minDuration" label="Longer than" placeholder="1.2ms" {...part} />
        <TextField name="maxDuration" label="Shorter than" placeholder="2s" {...part} />
      </div>
      <TimeFields {...part} />
      <div className="row search-tools">
        <button type="submit" className="primary">
          Find traces
        </button>
        {children}
      </div>
    </form>
  );
}
