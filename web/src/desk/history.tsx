/** Fills and order history: pages that go on at a press, read anew when something of one's own has changed. */

import { useEffect, useRef, useState } from "react";
import { dollars, grouped, money } from "../shared/money";
import { EmptyState, ErrorState, Loading } from "../shared/states";
import { type Column, Table } from "../shared/Table";
import type { Page } from "./api";
import * as desk from "./desk";
import { describeOrder, ORDER_COLUMNS, SideChip, WayButton, When } from "./orderColumns";
import { Profit } from "./PositionsTab";
import { words } from "./story";
import type { Order, UserTrade } from "./types";

interface PagedProps<Row> {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rowKey: (row: Row) => string;
  readonly read: (cursor: string) => Promise<Page<Row>>;
  /** Reads the first page again when it changes. */
  readonly version: unknown;
  readonly empty: { readonly title: string; readonly text: string };
}

/** A table that is read page by page. A fresh first page is put before what was read already. */
export function Paged<Row>({ caption, columns, rowKey, read, version, empty }: PagedProps<Row>) {
  const [rows, setRows] = useState<readonly Row[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  const latest = useRef(0);
  useEffect(() => {
    latest.current += 1;
    const mine = latest.current;
    read("").then(
      (page) => {
        if (mine !== latest.current) return;
        setError(null);
        setRows((was) => joined(page.rows, was ?? [], rowKey));
        setNext((was) => (was === null ? page.next : was));
      },
      (failure: unknown) => mine === latest.current && setError(failure),
    );
    // What is read is told by the version; the functions are new on each render.
  }, [version, round]);
  const more = async () => {
    try {
      const page = await read(next ?? "");
      setRows((was) => joined(was ?? [], page.rows, rowKey));
      setNext(page.next);
    } catch (failure) {
      setError(failure);
    }
  };
  if (rows === null && error === null) return <Loading label={caption} />;
  return (
    <>
      {error !== null && <ErrorState error={error} onRetry={() => setRound((was) => was + 1)} onTrace={(traceId) => desk.shownStory.set({ traceId })} />}
      <Table caption={caption} columns={columns} rows={rows ?? []} rowKey={rowKey} empty={<EmptyState title={empty.title}>{empty.text}</EmptyState>} />
      {next !== null && (
        <p className="more">
          <button type="button" onClick={() => void more()}>
            Show more
          </button>
        </p>
      )}
    </>
  );
}

function joined<Row>(first: readonly Row[], second: readonly Row[], key: (row: Row) => string): readonly Row[] {
  const known = new Set(first.map(key));
  return [...first, ...second.filter((row) => !known.has(key(row)))];
}

const HISTORY: readonly Column<Order>[] = [
  ...ORDER_COLUMNS,
  { key: "average", title: "Average", number: true, show: (order) => order.average_price ?? "–" },
  { key: "status", title: "Status", show: (order) => `${words(order.status.toLowerCase())}${order.reason ? ` · ${words(order.reason)}` : ""}` },
  { key: "way", pinned: true, title: <span className="visually-hidden">Trace</span>, show: (order) => <WayButton orderId={order.order_id} what={describeOrder(order)} /> },
];

export function HistoryTab({ holdings }: { readonly holdings: desk.Holdings }) {
  return (
    <Paged
      caption="Your orders, newest first"
      columns={HISTORY}
      rowKey={(order: Order) => order.order_id}
      read={(cursor) => desk.mine().orders(cursor)}
      version={holdings}
      empty={{ title: "No orders yet", text: "Everything you ever placed shows here." }}
    />
  );
}

const FILLS: readonly Column<UserTrade>[] = [
  { key: "time", title: "Time", show: (fill) => <When iso={fill.time} /> },
  { key: "symbol", title: "Symbol", show: (fill) => <strong>{fill.symbol}</strong> },
  { key: "side", title: "Side", show: (fill) => <SideChip side={fill.side} /> },
  { key: "quantity", title: "Shares", number: true, show: (fill) => grouped(fill.quantity) },
  { key: "price", title: "Price", number: true, show: (fill) => fill.price },
  { key: "value", title: "Value", number: true, show: (fill) => dollars(money(fill.value)) },
  { key: "role", title: "Role", show: (fill) => fill.role.toLowerCase() },
  { key: "made", title: "Realised", number: true, show: (fill) => <Profit text={fill.realised} /> },
  { key: "way", pinned: true, title: <span className="visually-hidden">Trace</span>, show: (fill) => <WayButton orderId={fill.order_id} what={`the order of trade ${fill.trade_id}`} /> },
];

export function FillsTab({ holdings }: { readonly holdings: desk.Holdings }) {
  return (
    <Paged
      caption="Your fills, newest first"
      columns={FILLS}
      rowKey={(fill: UserTrade) => `${fill.trade_id} ${fill.order_id}`}
      read={(cursor) => desk.mine().fills(cursor)}
      version={holdings}
      empty={{ title: "No fills yet", text: "Each trade of yours shows here." }}
    />
  );
}
