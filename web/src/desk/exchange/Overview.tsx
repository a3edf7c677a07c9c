/** How the exchange does: the health of its services, and how business goes. Looked at again every few seconds. */

import { type ReactNode, useEffect, useState } from "react";
import { dollars, grouped, money } from "../../shared/money";
import { ErrorState, Loading } from "../../shared/states";
import { type Column, Table } from "../../shared/Table";
import { duration } from "../../shared/time";
import * as desk from "../desk";
import { When } from "../orderColumns";
import { words } from "../story";
import { useAsync } from "../useAsync";
import type { Figures } from "./admin";

const AGAIN_MS = 5000;

export function Overview() {
  const [round, setRound] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || setRound((was) => was + 1), AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  const figures = useAsync(`figures ${round}`, () => desk.mine().admin.figures());
  return (
    <div className="body stack">
      <Health round={round} />
      {figures.error !== null && <ErrorState error={figures.error} onRetry={figures.again} onTrace={(traceId) => desk.shownStory.set({ traceId })} />}
      {figures.value ? <Business figures={figures.value} /> : figures.error === null && <Loading label="Asking the services" lines={6} />}
    </div>
  );
}

function Health({ round }: { readonly round: number }) {
  const health = useAsync(`health ${round}`, () => desk.mine().admin.health());
  if (health.error !== null) return <ErrorState error={health.error} onRetry={health.again} />;
  if (health.value === null) return <Loading label="Asking the services" lines={1} />;
  return (
    <ul className="health" aria-label="Services">
      {/* The gateway has answered. */}
      {Object.entries({ "client-gateway": "ok", ...health.value }).map(([name, state]) => (
        <li key={name} className={`chip ${state === "ok" ? "buy" : "sell"}`} title={state}>
          {name}: {state === "ok" ? "ok" : "not ready"}
        </li>
      ))}
    </ul>
  );
}

const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((all, one) => all + one, 0);
const share = (part: number | null) => (part === null ? "–" : `${(100 * part).toFixed(1)} %`);
const took = (ms: number | null) => (ms === null ? "–" : duration(ms * 1000));

function Tile({ name, value, children }: { readonly name: string; readonly value: string; readonly children?: ReactNode }) {
  return (
    <div className="tile">
      <dt>{name}</dt>
      <dd>
        <strong>{value}</strong>
        {children && <span className="muted">{children}</span>}
      </dd>
    </div>
  );
}

function Business({ figures }: { readonly figures: Figures }) {
  const { orders, closed, settlement, open_orders, backlog } = figures;
  const since = figures.since["client-gateway"];
  const waiting = backlog.reduce((all, one) => all + one.events, 0);
  const counts = (of: Readonly<Record<string, number>>) =>
    Object.entries(of)
      .map(([name, count]) => `${grouped(count)} ${words(name.toLowerCase())}`)
      .join(", ");
  return (
    <>
      {figures.silent.length > 0 && <p className="notice warn">No answer from {figures.silent.join(", ")}: their figures are missing.</p>}
      <dl className="tiles">
        <Tile name="Orders" value={grouped(sum(orders))}>
          {counts(orders)}
        </Tile>
        <Tile name="Success rate" value={share(figures.success_rate)}>
          of the orders that were sent
        </Tile>
        <Tile name="Fill ratio" value={share(figures.fill_ratio)}>
          of the shares of orders that ended
        </Tile>
        <Tile name="Value traded" value={dollars(money(figures.value))}>
          in {figures.trades === 1 ? "1 trade" : `${grouped(figures.trades)} trades`}
        </Tile>
        <Tile name="Time to settlement" value={took(settlement.mean_ms)}>
          half within {took(settlement.p50_ms)}, 95 % within {took(settlement.p95_ms)}
        </Tile>
        <Tile name="Open orders" value={grouped(sum(open_orders))}>
          ended: {counts(closed) || "none"}
        </Tile>
        <Tile name="Backlog" value={waiting === 1 ? "1 event" : `${grouped(waiting)} events`}>
          that have not taken effect everywhere
        </Tile>
      </dl>
      <div className="columns">
        <SymbolTable figures={figures} />
        <Table caption="Why orders were refused" columns={REFUSALS} rows={figures.refusals} rowKey={(one) => `${one.outcome} ${one.code}`}
          empty={<p className="muted none">No order was refused.</p>} />
        <Table caption="Events that wait, by service" columns={BACKLOG} rows={backlog} rowKey={(one) => `${one.service} ${one.stream}`} empty={null} />
      </div>
      {since && (
        <p className="muted">
          Counted since the services started, <When iso={since} />.
        </p>
      )}
    </>
  );
}

const REFUSALS: readonly Column<Figures["refusals"][number]>[] = [
  { key: "code", title: "Refused because", show: (one) => words(one.code), order: (one) => one.code },
  { key: "orders", title: "Orders", number: true, show: (one) => grouped(one.orders), order: (one) => one.orders },
];

const BACKLOG: readonly Column<Figures["backlog"][number]>[] = [
  { key: "service", title: "Service", show: (one) => one.service, order: (one) => one.service },
  { key: "stream", title: "Stream", show: (one) => one.stream, order: (one) => one.stream },
  { key: "events", title: "Waiting", number: true, show: (one) => grouped(one.events), order: (one) => one.events },
];

interface SymbolRow {
  readonly symbol: string;
  readonly value: string;
  readonly open: number;
}

const SYMBOLS: readonly Column<SymbolRow>[] = [
  { key: "symbol", title: "Symbol", show: (row) => <strong>{row.symbol}</strong>, order: (row) => row.symbol },
  { key: "value", title: "Value traded", number: true, show: (row) => dollars(money(row.value)), order: (row) => money(row.value) },
  { key: "open", title: "Open orders", number: true, show: (row) => grouped(row.open), order: (row) => row.open },
];

function SymbolTable({ figures: { open_orders, value_by_symbol } }: { readonly figures: Figures }) {
  const symbols = [...new Set([...Object.keys(open_orders), ...Object.keys(value_by_symbol)])].sort();
  const rows = symbols.map((symbol) => ({ symbol, value: value_by_symbol[symbol] ?? "0.00", open: open_orders[symbol] ?? 0 }));
  return <Table caption="Business by symbol" columns={SYMBOLS} rows={rows} rowKey={(row) => row.symbol} empty={null} />;
}
