/**
 * Money without floats: whole units of 1/10,000 dollar as bigint, decimals only as text at the edge.
 * The exchange's API speaks decimal text ("150.25"); see shared/contracts/money.py for the same rule on the server.
 */

/** Units of one dollar. */
export const UNITS = 10_000n;

const DECIMAL = /^([+-]?)(\d+)(?:\.(\d{1,4}))?$/;

/** Decimal text as units of 1/10,000 dollar, or null for what is not a decimal with at most four places. */
export function parseMoney(text: string): bigint | null {
  const match = DECIMAL.exec(text.trim());
  if (match === null) return null;
  const [, sign, whole, fraction = ""] = match;
  const units = BigInt(whole ?? "0") * UNITS + BigInt(fraction.padEnd(4, "0"));
  return sign === "-" ? -units : units;
}

/** Money from the API, which always is a decimal. Throws where it is not: then the contract is broken. */
export function money(text: string): bigint {
  const units = parseMoney(text);
  if (units === null) throw new Error(`not an amount: ${text}`);
  return units;
}

/** Units as decimal text for the API: at least `places` decimals, more where they are not zero. */
export function moneyText(units: bigint, places = 2): string {
  const size = units < 0n ? -units : units;
  const fraction = (size % UNITS).toString().padStart(4, "0");
  const kept = Math.max(places, fraction.replace(/0+$/, "").length);
  return `${units < 0n ? "-" : ""}${size / UNITS}${kept ? `.${fraction.slice(0, kept)}` : ""}`;
}

/** Units for people: "$1,500.00", "−$3.20"; with `signed`, gains carry a plus. */
export function dollars(units: bigint, signed = false): string {
  const text = moneyText(units < 0n ? -units : units);
  const [whole = "0", fraction = ""] = text.split(".");
  const sign = units < 0n ? "−" : signed && units > 0n ? "+" : "";
  return `${sign}$${grouped(whole)}${fraction ? `.${fraction}` : ""}`;
}

/** Digits in groups of three. */
export function grouped(digits: string | number | bigint): string {
  return String(digits).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}
