import { describe, expect, test } from "vitest";
import { markTime, shortTime } from "./time";

describe("marks of a time scale", () => {
  const at_us = Date.UTC(2026, 0, 2, 3, 4, 5) * 1000 + 250_004;
  const clock = shortTime(new Date(at_us / 1000));

  test("differ wherever they stand: decimals come with steps below a second, and below a millisecond", () => {
    expect(markTime(at_us, 1_000_000)).toBe(clock);
    expect(markTime(at_us, 200_000)).toBe(`${clock}.250`);
    expect(markTime(at_us, 500)).toBe(`${clock}.250004`);
  });

  test("that a sum of fractions leaves a hair below a second are that second", () => {
    expect(markTime(at_us - 4.1, 250_000)).toBe(`${clock}.250`);
  });
});
