import { describe, expect, it } from "vitest";
import { dollars, grouped, moneyText, parseMoney } from "./money";
import { duration, exactTime, isoFromMicros } from "./time";

describe("money", () => {
  it("is read exactly, to a ten-thousandth", () => {
    expect(parseMoney("150.25")).toBe(1_502_500n);
    expect(parseMoney("0.0001")).toBe(1n);
    expect(parseMoney("-3")).toBe(-30_000n);
    expect(parseMoney("90071992547409.9301")).toBe(900719925474099301n);
  });

  it("is not read from what is no decimal", () => {
    for (const text of ["", "1e3", "1.23456", ".5", "0x10", "1,000", "NaN"]) expect(parseMoney(text)).toBeNull();
  });

  it("is written with two decimals, with more where there are more", () => {
    expect([moneyText(1_502_500n), moneyText(1n), moneyText(-5_000n)]).toEqual(["150.25", "0.0001", "-0.50"]);
  });

  it("reads well", () => {
    expect([dollars(15_000_000n), dollars(-32_000n), dollars(50_000n, true)]).toEqual(["$1,500.00", "−$3.20", "+$5.00"]);
    expect(grouped(1234567)).toBe("1,234,567");
  });
});

describe("time", () => {
  it("takes the unit that reads best", () => {
    expect([840, 1250, 3_200_000, 125e6].map(duration)).toEqual(["840 µs", "1.25 ms", "3.20 s", "2 m 05 s"]);
  });

  it("keeps microseconds", () => {
    expect(isoFromMicros(1_700_000_000_000_042)).toBe("2023-11-14T22:13:20.000042Z");
    expect(exactTime("2023-11-14T22:13:20.000042Z")).toMatch(/:20\.000042 UTC/);
  });
});
