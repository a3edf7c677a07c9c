/** One request to the trace backend, and its errors as sentences. */

import { RequestError } from "../shared/http";

/** A large trace takes a while to read and send; anything beyond this is a backend that hangs. */
const TIMEOUT_MS = 60_000;

interface Envelope {
  data?: unknown;
  errors?: { msg?: string }[] | null;
}

export interface AskOptions {
  readonly method?: "GET" | "POST" | "DELETE";
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/** What the backend answers, as JSON; null where it answers nothing. @throws RequestError */
export async function ask(path: string, { method = "GET", body, signal }: AskOptions = {}): Promise<unknown> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  let response: Response;
  let answer: unknown;
  try {
    response = await fetch(path, { method, ...sent, signal: signal ? AbortSignal.any([signal, timeout]) : timeout });
    answer = response.status === 204 ? null : await response.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    const late = error instanceof DOMException && error.name === "TimeoutError";
    const text = late
      ? `The trace backend has not answered within ${TIMEOUT_MS / 1000} seconds.`
      : "The trace backend does not answer. Check that it runs, then try again.";
    throw new RequestError(0, "unreachable", text, "");
  }
  if (!response.ok) throw failure(response, answer);
  return answer;
}

/** An answer that is none: what the backend says is wrong. */
export function failure(response: Response, answer: unknown): RequestError {
  const text = (answer as Envelope | null)?.errors?.[0]?.msg ?? `The trace backend answered ${response.status}.`;
  return new RequestError(response.status, `http_${response.status}`, text, response.headers.get("X-Trace-Id") ?? "");
}

/** What stands in Jaeger's envelope. @throws RequestError */
export async function askData(path: string, signal: AbortSignal): Promise<unknown> {
  return ((await ask(path, { signal })) as Envelope).data;
}
