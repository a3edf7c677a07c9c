import { describe, expect, it } from "vitest";
import { eventsOf } from "./stream";

async function read(...parts: string[]): Promise<string[]> {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    start(control) {
      for (const part of parts) control.enqueue(encoder.encode(part));
      control.close();
    },
  });
  const found: string[] = [];
  for await (const data of eventsOf(body)) found.push(data);
  return found;
}

describe("a stream of events", () => {
  it("gives the data of each", async () => expect(await read("event: spans\ndata: 1\n\nevent: spans\ndata: 2\n\n")).toEqual(["1", "2"]));

  it("may be cut anywhere", async () => expect(await read("event: sp", "ans\nda", 'ta: {"a":', "1}\n", "\n")).toEqual(['{"a":1}']));

  it("has comments that mean nothing", async () => expect(await read(": still here\n\n", "data: x\n\n")).toEqual(["x"]));

  it("loses an event that never ended", async () => expect(await read("data: x\n\ndata: y")).toEqual(["x"]));
});
