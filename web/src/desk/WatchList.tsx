/** What is traded, with its price as it moves. */

import { grouped, money } from "../shared/money";
import { useStore } from "../shared/store";
import { EmptyState, ErrorState, Loading } from "../shared/states";
import * as desk from "./desk";
import type { Instrument } from "./types";

export function WatchList() {
  const listed = useStore(desk.listed);
  const error = useStore(desk.listedError);
  const chosen = useStore(desk.symbol);
  return (
    <section className="panel watch" aria-label="Watch list">
      <header>
        <h2>Markets</h2>
      </header>
      {error !== null && <ErrorState error={error} />}
      {listed.length === 0 && error === null && <Loading label="Reading what is traded" lines={6} />}
      <ul>
        {listed.map((instrument) => (
          <li key={instrument.symbol}>
            <Row instrument={instrument} chosen={instrument.symbol === chosen} />
          </li>
        ))}
      </ul>
      {listed.length === 0 && error !== null && <EmptyState title="No markets">The list comes back by itself.</EmptyState>}
    </section>
  );
}

function Row({ instrument, chosen }: { readonly instrument: Instrument; readonly chosen: boolean }) {
  const live = useStore(desk.lastPrices)[instrument.symbol];
  const last = live?.price ?? instrument.last;
  const change = last === null ? null : changePercent(last, instrument.reference_price);
  return (
    <button type="button" className="market" aria-pressed={chosen} onClick={() => desk.choose(instrument.symbol)}>
      <span className="symbol">
        <strong>{instrument.symbol}</strong>
        <span className="muted company">{instrument.name}</span>
      </span>
      <span className="number">
        <span key={last} className={`last ${live?.up === true ? "flash-up" : live?.up === false ? "flash-down" : ""}`}>
          {last ?? "–"}
        </span>
        <span className={`change ${change === null ? "muted" : change < 0 ? "sell" : "buy"}`}>
          {change === null ? "no trade yet" : `${change < 0 ? "−" : "+"}${Math.abs(change).toFixed(2)} %`}
        </span>
        <span className="visually-hidden">, volume {grouped(instrument.volume)}</span>
      </span>
    </button>
  );
}

/** Against the reference price, in hundredths of a percent without floats until the very end. */
function changePercent(last: string, reference: string): number {
  const base = money(reference);
  return base === 0n ? 0 : Number(((money(last) - base) * 10_000n) / base) / 100;
}
