/** Open orders, each with its way and buttons that amend and cancel it. */

import { useState } from "react";
import { RequestError } from "../shared/http";
import { EmptyState } from "../shared/states";
import { type Column, Table } from "../shared/Table";
import { toast } from "../shared/Toasts";
import { AmendDialog } from "./AmendDialog";
import * as desk from "./desk";
import { describeOrder, ORDER_COLUMNS, WayButton } from "./orderColumns";
import type { Order } from "./types";

const COLUMNS: readonly Column<Order>[] = [
  ...ORDER_COLUMNS,
  { key: "way", title: <span className="visually-hidden">Trace</span>, show: (order) => <WayButton orderId={order.order_id} what={describeOrder(order)} /> },
];

export function OpenOrdersTab({ holdings }: { readonly holdings: desk.Holdings }) {
  const [amending, setAmending] = useState<Order | null>(null);
  const columns: readonly Column<Order>[] = [
    ...COLUMNS,
    {
      key: "change",
      pinned: true,
      title: <span className="visually-hidden">Change</span>,
      show: (order) => (
        <span className="row changes">
          <button type="button" className="small" onClick={() => setAmending(order)} aria-label={`Amend: ${describeOrder(order)}`}>
            Amend
          </button>
          <CancelButton label="Cancel" what={describeOrder(order)} cancel={() => desk.mine().cancel(order.order_id)} />
        </span>
      ),
    },
  ];
  return (
    <>
      <Table
        caption="Your open orders"
        columns={columns}
        rows={holdings.orders}
        rowKey={(order) => order.order_id}
        empty={<EmptyState title="No open orders">What you place and does not trade at once waits here.</EmptyState>}
      />
      {holdings.orders.length > 1 && (
        <p className="more">
          <CancelButton label="Cancel all" what={`all ${holdings.orders.length} open orders`} cancel={() => desk.mine().cancelAll("")} />
        </p>
      )}
      {amending && <AmendDialog order={amending} onClose={() => setAmending(null)} />}
    </>
  );
}

interface CancelButtonProps {
  readonly label: string;
  readonly what: string;
  readonly cancel: () => Promise<unknown>;
}

function CancelButton({ label, what, cancel }: CancelButtonProps) {
  const [busy, setBusy] = useState(false);
  const press = async () => {
    setBusy(true);
    try {
      await cancel();
      toast("plain", `Cancelled: ${what}.`);
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
    <button type="button" className="small" disabled={busy} onClick={() => void press()} aria-label={`${label}: ${what}`}>
      {label}
    </button>
  );
}
