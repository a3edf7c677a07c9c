/** Positions at the last price, with profit and loss; shares that are held by open sales are told apart. */

import { dollars, grouped, money } from "../shared/money";
import { EmptyState } from "../shared/states";
import { type Column, Table } from "../shared/Table";
import type { Holdings } from "./desk";
import type { Position } from "./types";

export function Profit({ text }: { readonly text: string }) {
  const units = money(text);
  return <span className={units < 0n ? "sell" : units > 0n ? "buy" : ""}>{dollars(units, true)}</span>;
}

const COLUMNS: readonly Column<Position>[] = [
  { key: "symbol", title: "Symbol", show: (position) => <strong>{position.symbol}</strong>, order: (position) => position.symbol },
  { key: "quantity", title: "Shares", number: true, show: (position) => grouped(position.quantity), order: (position) => position.quantity },
  { key: "cost", title: "Average cost", number: true, show: (position) => position.average_cost ?? "–" },
  { key: "last", title: "Last", number: true, show: (position) => position.last_price ?? "–" },
  { key: "value", title: "Value", number: true, show: (position) => dollars(money(position.value)), order: (position) => money(position.value) },
  { key: "open", title: "Unrealised", number: true, show: (position) => <Profit text={position.unrealised} />, order: (position) => money(position.unrealised) },
  { key: "made", title: "Realised", number: true, show: (position) => <Profit text={position.realised} />, order: (position) => money(position.realised) },
];

export function PositionsTab({ holdings }: { readonly holdings: Holdings }) {
  const total = (pick: (position: Position) => string) =>
    holdings.positions.reduce((sum, position) => sum + money(pick(position)), 0n);
  return (
    <>
      {holdings.positions.length > 0 && (
        <p className="totals">
          <span>Value {dollars(total((position) => position.value))}</span>
          <span>Unrealised {dollars(total((position) => position.unrealised), true)}</span>
          <span>Realised {dollars(total((position) => position.realised), true)}</span>
        </p>
      )}
      <Table
        caption="Your positions"
        columns={COLUMNS}
        rows={holdings.positions}
        rowKey={(position) => position.symbol}
        empty={<EmptyState title="No positions">Shares that you buy or deposit show here with their profit and loss.</EmptyState>}
      />
    </>
  );
}
