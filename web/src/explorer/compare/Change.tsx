/** How something changed: before and after, or the difference as a bar to either side of a middle line. */

import { duration } from "../../shared/time";

/** "1.20 ms → 4.10 ms", red where it grew by more than a tenth. Null where there was nothing. */
export function Change({ before, after, show }: { readonly before: number | null; readonly after: number | null; readonly show: (value: number) => string }) {
  const isWorse = after !== null && after > (before ?? 0) * 1.1 && after > 0;
  return (
    <span className="change-of number">
      <span className="muted">{before === null ? "–" : show(before)}</span>
      <span className="muted" aria-label="to">
        {" → "}
      </span>
      <span className={isWorse ? "sell" : ""}>{after === null ? "–" : show(after)}</span>
    </span>
  );
}

/** A difference in µs against the greatest one; longer is to the right. */
export function DifferenceBar({ difference, longest }: { readonly difference: number; readonly longest: number }) {
  const width = `${(50 * Math.abs(difference)) / Math.max(longest, 1)}%`;
  return (
    <span className="difference">
      <span className="number">{difference === 0 ? "the same" : `${difference > 0 ? "+" : "−"}${duration(Math.abs(difference))}`}</span>
      <span className="difference-track" aria-hidden="true">
        <span className={difference > 0 ? "slower" : "faster"} style={difference > 0 ? { left: "50%", width } : { right: "50%", width }} />
      </span>
    </span>
  );
}
