/** Requests to our own servers: JSON in and out, and errors that carry what a person needs: a sentence and the trace. */

/** A request that failed. `detail` is a sentence for people, `traceId` leads to what happened ("" where none is known). */
export class RequestError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly traceId: string,
    readonly figures: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    this.name = "RequestError";
  }
}

/** What a request answered, and the trace that it made. */
export interface Answer<T> {
  readonly body: T;
  readonly traceId: string;
}

const TIMEOUT_MS = 15_000;

/** Sends a request and reads its JSON. Throws RequestError for every way in which it can fail. */
export async function request<T>(
  method: string,
  path: string,
  options: { body?: unknown; token?: string; headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<Answer<T>> {
  const headers: Record<string, string> = { Accept: "application/json", ...options.headers };
  if (options.token) headers.Authorization = `Bearer ${options.token}`;
  const init: RequestInit = { method, headers, signal: signalFor(options.signal) };
  if (options.body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(options.body);
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new RequestError(0, "unreachable", "The server does not answer. Check that it runs; this page tries again.", "");
  }
  const traceId = response.headers.get("X-Trace-Id") ?? "";
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) throw problem(response.status, body, traceId);
  return { body: body as T, traceId };
}

/** A problem+json body (RFC 9457) as an error; a body that is none gives the bare status. */
export function problem(status: number, body: unknown, traceId = ""): RequestError {
  const said = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const text = (key: string) => (typeof said[key] === "string" ? said[key] : "");
  return new RequestError(
    status,
    text("code") || `http_${status}`,
    text("detail") || `The server answered ${status}.`,
    traceId || text("trace_id"),
    (said.figures ?? {}) as Record<string, string>,
  );
}

function signalFor(given: AbortSignal | undefined): AbortSignal {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  return given ? AbortSignal.any([given, timeout]) : timeout;
}
