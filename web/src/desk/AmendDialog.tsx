/** A new price or quantity for an open order. The exchange has the last word; its refusal shows here, with its trace. */

import { type FormEvent, useState } from "react";
import { Dialog } from "../shared/Dialog";
import { Field } from "../shared/Field";
import { moneyText, parseMoney } from "../shared/money";
import { ErrorState } from "../shared/states";
import { toast } from "../shared/Toasts";
import * as desk from "./desk";
import { describeOrder } from "./orderColumns";
import type { Order } from "./types";

/** Orders whose price is a limit of the user's; the price of the others is the exchange's protection. */
const HAVE_LIMIT = new Set(["LIMIT", "STOP_LIMIT"]);

export function AmendDialog({ order, onClose }: { readonly order: Order; readonly onClose: () => void }) {
  const [quantity, setQuantity] = useState(String(order.quantity));
  const [price, setPrice] = useState(order.price);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const gone = order.quantity - order.remaining_quantity;
  const changes = changesOf(order, quantity, price);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (changes === null) return;
    setBusy(true);
    setError(null);
    try {
      const amended = (await desk.mine().amend(order.order_id, changes)).body;
      toast("good", `Amended: ${describeOrder(amended)}.`);
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    } finally {
      desk.lookSoon();
    }
  };
  return (
    <Dialog title={`Amend: ${describeOrder(order)}`} onClose={onClose}>
      <form className="stack" onSubmit={(event) => void submit(event)}>
        <Field label="Shares in all" hint={gone > 0 ? `${gone} of them are done already.` : "Less at the same price keeps its place in the queue."}>
          {(attributes) => <input {...attributes} inputMode="numeric" autoComplete="off" value={quantity} onChange={(event) => setQuantity(event.target.value)} />}
        </Field>
        {HAVE_LIMIT.has(order.order_type) && (
          <Field label="New limit price">
            {(attributes) => <input {...attributes} inputMode="decimal" autoComplete="off" value={price} onChange={(event) => setPrice(event.target.value)} />}
          </Field>
        )}
        {error !== null && <ErrorState error={error} />}
        <button type="submit" className="primary" disabled={busy || changes === null}>
          {busy ? "Amending…" : "Amend"}
        </button>
      </form>
    </Dialog>
  );
}

/** What differs from the order, null where nothing does or where it cannot be read. */
function changesOf(order: Order, quantity: string, price: string): { price?: string; quantity?: number } | null {
  const units = parseMoney(price);
  if (!/^[1-9]\d{0,11}$/.test(quantity.trim()) || units === null || units <= 0n) return null;
  const changes: { price?: string; quantity?: number } = {};
  if (Number(quantity) !== order.quantity) changes.quantity = Number(quantity);
  if (units !== parseMoney(order.price)) changes.price = moneyText(units);
  return Object.keys(changes).length > 0 ? changes : null;
}
