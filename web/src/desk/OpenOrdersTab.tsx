/** Open orders, each with its way and a button that cancels it. */

import { useState } from "react";
import { RequestError } from "../shared/http";
import { EmptyState } from "../shared/states";
import { type Column, Table } from "../shared/Table";
import { toast } from "../shared/Toasts";
import * as desk from "./desk";
import { describeOrder, ORDER_COLUMNS, WayButton } from "./orderColumns";
import type { Order } from "./types";

const COLUMNS: readonly Column<Order>[] = [
  ...ORDER_COLUMNS,
  { key: "way", title: <span className="visually-hidden">Trace</span>, show: (order) => <WayButton orderId={order.order_id} what={describeOrder(order)} /> },
  { key: "cancel", title: <span className="visually-hidden">Cancel</span>, show: (order) => <CancelButton order={order} /> },
];

export function OpenOrdersTab({ holdings }: { readonly holdings: desk.Holdings }) {
  return (
    <Table
      caption="Your open orders"
      columns={COLUMNS}
      rows={holdings.orders}
      rowKey={(order) => order.order_id}
      empty={<EmptyState title="No open orders">What you place and does not trade at once waits here.</EmptyState>}
    />
  );
}

function CancelButton({ order }: { readonly order: Order }) {
  const [busy, setBusy] = useState(false);
  const cancel = async () => {
    setBusy(true);
    try {
      await desk.mine().cancel(order.order_id);
      toast("plain", `Cancelled: ${describeOrder(order)}.`);
    } catch (error) {
      const traceId = error instanceof RequestError ? error.traceId : "";
      const action = { label: "What happened", run: () => desk.shownStory.set({ traceId }) };
      toast("bad", error instanceof Error ? error.message : String(error), traceId ? action : undefined);
    } finally {
      setBusy(false);
      desk.lookSoon();
    }
  };
  return (
    <button type="button" className="small" disabled={busy} onClick={() => void cancel()} aria-label={`Cancel: ${describeOrder(order)}`}>
      Cancel
    </button>
  );
}
