/** Server-sent events over `fetch`, which tells why a stream was refused; the browser's EventSource does not. */

import { RequestError } from "../../shared/http";
import { failure } from "../ask";

/** The data of each event of a stream, as text; comments and other fields are passed over. */
export async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let text = "";
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      text += part.value;
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) {
        const lines = block.split("\n").filter((line) => line.startsWith("data:"));
        if (lines.length) yield lines.map((line) => line.slice(5).trimStart()).join("\n");
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined); // it is closed already where the connection was lost
  }
}

export interface Listener {
  readonly onOpen: () => void;
  /** Not called for a refusal that asking again cannot mend. */
  readonly onLost: (error: unknown) => void;
  readonly onRefused: (error: RequestError) => void;
  readonly onData: (data: string) => void;
}

const AGAIN_MS = { first: 1000, most: 15_000 };

/** Follow a stream until the signal ends it; a lost connection is made again, less often the longer it takes. */
export async function follow(path: string, listener: Listener, signal: AbortSignal): Promise<void> {
  let again_ms = AGAIN_MS.first;
  while (!signal.aborted) {
    try {
      const response = await fetch(path, { signal, headers: { Accept: "text/event-stream" } });
      if (!response.ok || !response.body) throw failure(response, await response.json().catch(() => null));
      listener.onOpen();
      again_ms = AGAIN_MS.first;
      for await (const data of eventsOf(response.body)) listener.onData(data);
      throw new Error("The trace backend ended the stream.");
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof RequestError && error.status >= 400 && error.status < 500) return listener.onRefused(error);
      listener.onLost(error);
    }
    await pause(again_ms, signal);
    again_ms = Math.min(again_ms * 2, AGAIN_MS.most);
  }
}

function pause(delay_ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, delay_ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
