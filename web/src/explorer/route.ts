/** Addresses of the explorer, those of Jaeger's UI and a few beside them, and what page each of them means. */

export type Route =
  | { page: "search"; params: URLSearchParams }
  | { page: "trace"; id: string; params: URLSearchParams }
  | { page: "compare"; a: string; b: string }
  | { page: "dependencies" | "monitor" | "insights" | "windows"; params: URLSearchParams }
  | { page: "alerts" }
  | { page: "unknown"; path: string };

const TRACE_ID = /^[0-9a-f]{1,32}$/;

/** A trace id in the form in which the API gives it: lower case, 16 or 32 digits, or null for what is none. */
export function normalTraceId(text: string): string | null {
  const id = text.trim().toLowerCase();
  if (!TRACE_ID.test(id)) return null;
  const digits = id.replace(/^0+/, "");
  return digits ? digits.padStart(digits.length > 16 ? 32 : 16, "0") : null;
}

export function routeOf(path: string, params: URLSearchParams): Route {
  const parts = path.split("/").filter(Boolean).map(decodeURIComponent);
  const [page = "search", argument] = parts;
  if (page === "search" && parts.length <= 1) return { page, params };
  if ((page === "dependencies" || page === "monitor" || page === "insights") && parts.length === 1) return { page, params };
  if (page === "compare" && parts.length === 1) return { page: "windows", params };
  if (page === "alerts" && parts.length === 1) return { page };
  if (page === "trace" && argument !== undefined && parts.length === 2) {
    const [a = "", b] = argument.split("...");
    return b === undefined ? { page, id: a, params } : { page: "compare", a, b };
  }
  return { page: "unknown", path };
}

export function tracePath(id: string, spanId?: string): string {
  return `/trace/${encodeURIComponent(id)}${spanId ? `?uiFind=${encodeURIComponent(spanId)}` : ""}`;
}

export function comparePath(a: string, b: string): string {
  return `/trace/${encodeURIComponent(a)}...${encodeURIComponent(b)}`;
}

export function searchPath(params: URLSearchParams): string {
  return `/search?${params.toString()}`;
}
