/**
 * What a search asks for, and its two other shapes: the address of the page, in the parameters of Jaeger's own UI (and
 * those of the backend beside them) so that links to either work in both, and the parameters of `/api/search`.
 */

import { parseDuration } from "../model/durations";

export const ALL_OPERATIONS = "all";
export const LIMIT_DEFAULT = 20;
export const LIMIT_MAX = 1500;
export const LOOKBACK_DEFAULT = "1h";
/** The lookback that says: from `start` to `end`. */
export const CUSTOM = "custom";

export const LOOKBACKS: readonly [value: string, text: string][] = [
  ["5m", "Last 5 minutes"],
  ["15m", "Last 15 minutes"],
  ["1h", "Last hour"],
  ["6h", "Last 6 hours"],
  ["24h", "Last 24 hours"],
  ["2d", "Last 2 days"],
  ["7d", "Last 7 days"],
];

/** Which of the traces that fit: the newest, the longest, or of the slowest so many percent. */
export const PICKS: readonly [value: string, text: string][] = [
  ["newest", "The newest"],
  ["longest", "The longest"],
  ["1", "The slowest 1 %"],
  ["5", "The slowest 5 %"],
  ["10", "The slowest 10 %"],
];
export const PICK_DEFAULT = "newest";

export interface SearchQuery {
  /** In the backend's language: `service = a AND NOT (duration > 5ms OR "some text")`. */
  q: string;
  /** Empty for all services. */
  service: string;
  /** Empty for all operations. */
  operation: string;
  tags: Record<string, string>;
  /** Durations as typed, with a unit; empty for none. */
  minDuration: string;
  maxDuration: string;
  /** One of `LOOKBACKS` or any other duration, or `CUSTOM`. */
  lookback: string;
  /** µs since 1970; both null where the lookback counts from now. */
  start: number | null;
  end: number | null;
  /** One of `PICKS`, or any other percentage. */
  pick: string;
  limit: number;
  traceIds: string[];
}

export const EMPTY_QUERY: SearchQuery = {
  q: "",
  service: "",
  operation: "",
  tags: {},
  minDuration: "",
  maxDuration: "",
  lookback: LOOKBACK_DEFAULT,
  start: null,
  end: null,
  pick: PICK_DEFAULT,
  limit: LIMIT_DEFAULT,
  traceIds: [],
};

function microseconds(text: string | null): number | null {
  return text && /^\d{1,16}$/.test(text) ? Number(text) : null;
}

function readPick(params: URLSearchParams): string {
  const percent = Number((params.get("slowest") ?? "").replace("%", ""));
  if (percent > 0 && percent < 100) return String(percent);
  return params.get("order") === "duration" ? "longest" : PICK_DEFAULT;
}

/** How the API is told of a pick. */
function pickParams(pick: string): Record<string, string> {
  if (pick === PICK_DEFAULT) return {};
  return { ...(pick === "longest" ? {} : { slowest: `${pick}%` }), order: "duration" };
}

function readTags(params: URLSearchParams): Record<string, string> {
  const tags: Record<string, string> = {};
  for (const text of params.getAll("tags")) {
    try {
      const given: unknown = JSON.parse(text);
      if (typeof given !== "object" || given === null || Array.isArray(given)) continue;
      for (const [key, value] of Object.entries(given)) tags[key] = String(value);
    } catch (error) {
      // An address that was cut or mistyped: the rest of the search still stands, and the form shows that no tag does.
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  for (const tag of params.getAll("tag")) {
    const colon = tag.indexOf(":");
    if (colon > 0) tags[tag.slice(0, colon)] = tag.slice(colon + 1);
  }
  return tags;
}

/** The query of an address. What it does not say is as in an empty form. */
export function queryFromUrl(params: URLSearchParams): SearchQuery {
  const operation = params.get("operation") ?? "";
  const start = microseconds(params.get("start"));
  const end = microseconds(params.get("end"));
  const limit = Number(params.get("limit") ?? LIMIT_DEFAULT);
  return {
    q: params.get("q") ?? "",
    service: params.get("service") ?? "",
    operation: operation === ALL_OPERATIONS ? "" : operation,
    tags: readTags(params),
    minDuration: params.get("minDuration") ?? "",
    maxDuration: params.get("maxDuration") ?? "",
    lookback: params.get("lookback") ?? (start !== null ? CUSTOM : LOOKBACK_DEFAULT),
    start,
    end,
    pick: readPick(params),
    limit: Number.isInteger(limit) && limit > 0 ? Math.min(limit, LIMIT_MAX) : LIMIT_DEFAULT,
    traceIds: params.getAll("traceID").filter(Boolean),
  };
}

/** The parameters of an address that `queryFromUrl` reads back to the same query. */
export function queryToUrl(query: SearchQuery): URLSearchParams {
  const params = new URLSearchParams();
  const set = (name: string, value: string | number | null) => {
    if (value !== "" && value !== null) params.set(name, String(value));
  };
  set("q", query.q);
  set("service", query.service);
  set("operation", query.operation);
  if (Object.keys(query.tags).length) params.set("tags", JSON.stringify(query.tags));
  set("minDuration", query.minDuration);
  set("maxDuration", query.maxDuration);
  set("lookback", query.lookback);
  set("start", query.start);
  set("end", query.end);
  for (const [name, value] of Object.entries(pickParams(query.pick))) set(name, value);
  set("limit", query.limit);
  for (const id of query.traceIds) params.append("traceID", id);
  return params;
}

/** The window that a query means at a moment, in µs since 1970. */
export function timeWindow(query: SearchQuery, nowUs: number): { start: number; end: number } {
  const end = query.end ?? nowUs;
  const lookback = parseDuration(query.lookback) ?? parseDuration(LOOKBACK_DEFAULT) ?? 0;
  return { start: query.start ?? Math.max(end - lookback, 0), end };
}

/** The parameters that say what fits, without those of time and number; tags as Jaeger's UI sends them, one JSON object. */
export function filterParams(query: SearchQuery): URLSearchParams {
  const params = new URLSearchParams();
  if (query.q.trim()) params.set("q", query.q.trim());
  if (query.service) params.set("service", query.service);
  if (query.operation) params.set("operation", query.operation);
  if (Object.keys(query.tags).length) params.set("tags", JSON.stringify(query.tags));
  if (query.minDuration) params.set("minDuration", query.minDuration.trim());
  if (query.maxDuration) params.set("maxDuration", query.maxDuration.trim());
  return params;
}

/** The parameters of `/api/search`. */
export function apiParams(query: SearchQuery, nowUs: number): URLSearchParams {
  const { start, end } = timeWindow(query, nowUs);
  const params = filterParams(query);
  const rest = { start: String(start), end: String(end), limit: String(query.limit), ...pickParams(query.pick) };
  for (const [name, value] of Object.entries(rest)) params.set(name, value);
  return params;
}

/** What cannot be asked like this, in words for the form, by field. */
export function problemsOf(query: SearchQuery): Partial<Record<"minDuration" | "maxDuration" | "end", string>> {
  const problems: ReturnType<typeof problemsOf> = {};
  const shortest = query.minDuration ? parseDuration(query.minDuration) : 0;
  const longest = query.maxDuration ? parseDuration(query.maxDuration) : Infinity;
  if (shortest === null) problems.minDuration = "Write a number and a unit: 500us, 1.2ms, 3s";
  if (longest === null) problems.maxDuration = "Write a number and a unit: 500us, 1.2ms, 3s";
  if (shortest !== null && longest !== null && longest < shortest) problems.maxDuration = "Is less than the shortest";
  if (query.start !== null && query.end !== null && query.end < query.start) problems.end = "Is before the start";
  return problems;
}
