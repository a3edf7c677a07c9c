/** Cash and shares, deposits, and the statement of everything that moved. */

import { type FormEvent, useState } from "react";
import { Field } from "../shared/Field";
import { dollars, grouped, money, parseMoney } from "../shared/money";
import { useStore } from "../shared/store";
import { ErrorState } from "../shared/states";
import { type Column, Table } from "../shared/Table";
import { toast } from "../shared/Toasts";
import * as desk from "./desk";
import { Paged } from "./history";
import { WayButton, When } from "./orderColumns";
import { words } from "./story";
import type { Balance, Transaction } from "./types";

const CASH = "USD";

function amount(asset: string, text: string): string {
  return asset === CASH ? dollars(money(text)) : grouped(text);
}

const BALANCES: readonly Column<Balance>[] = [
  { key: "asset", title: "Asset", show: (balance) => <strong>{balance.asset}</strong> },
  { key: "total", title: "Total", number: true, show: (balance) => amount(balance.asset, balance.total) },
  { key: "held", title: "Held by orders", number: true, show: (balance) => amount(balance.asset, balance.held) },
  { key: "available", title: "Available", number: true, show: (balance) => amount(balance.asset, balance.available) },
];

const STATEMENT: readonly Column<Transaction>[] = [
  { key: "time", title: "Time", show: (row) => <When iso={row.time} /> },
  { key: "kind", title: "What", show: (row) => words(row.kind.toLowerCase()) },
  { key: "asset", title: "Asset", show: (row) => row.asset },
  { key: "amount", title: "Amount", number: true, show: (row) => <span className={row.amount.startsWith("-") ? "sell" : "buy"}>{signed(row)}</span> },
  { key: "after", title: "Balance", number: true, show: (row) => amount(row.asset, row.balance_after) },
  { key: "way", pinned: true, title: <span className="visually-hidden">Trace</span>, show: (row) => row.order_id && <WayButton orderId={row.order_id} what={`the order of entry ${row.transaction_id}`} /> },
];

function signed(row: Transaction): string {
  if (row.asset === CASH) return dollars(money(row.amount), true);
  return row.amount.startsWith("-") ? `−${grouped(row.amount.slice(1))}` : `+${grouped(row.amount)}`;
}

export function CashTab({ holdings }: { readonly holdings: desk.Holdings }) {
  return (
    <div className="cash">
      <div>
        <Table caption="Your balances" columns={BALANCES} rows={holdings.balances} rowKey={(balance) => balance.asset} empty={null} />
        <Deposit />
      </div>
      <div className="statement">
        <Paged
          caption="Statement, newest first"
          columns={STATEMENT}
          rowKey={(row: Transaction) => row.transaction_id}
          read={(cursor) => desk.mine().statement(cursor)}
          version={holdings}
          empty={{ title: "Nothing has moved yet", text: "Deposit cash to begin." }}
        />
      </div>
    </div>
  );
}

function Deposit() {
  const listed = useStore(desk.listed);
  const [asset, setAsset] = useState(CASH);
  const [text, setText] = useState("");
  const [key, setKey] = useState(() => newKey());
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const wrong = text !== "" && !valid(asset, text) ? (asset === CASH ? "An amount like 1000.00." : "A whole number of shares.") : "";
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      // The key stays until an answer came: pressed again after an outage, it still pays in once.
      await desk.mine().deposit(asset, text.trim(), key);
      toast("good", `Paid in ${amount(asset, text.trim())}${asset === CASH ? "" : ` ${asset}`}.`);
      setText("");
      setKey(newKey());
      desk.lookSoon();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="body stack" onSubmit={(event) => void submit(event)} aria-label="Deposit">
      <div className="pair">
        <Field label="Deposit">
          {(attributes) => (
            <select {...attributes} value={asset} onChange={(event) => setAsset(event.target.value)}>
              <option value={CASH}>Cash</option>
              {listed.map((one) => (
                <option key={one.symbol} value={one.symbol}>
                  {one.symbol} shares
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label="Amount" error={wrong}>
          {(attributes) => <input {...attributes} inputMode="decimal" autoComplete="off" value={text} onChange={(event) => setText(event.target.value)} />}
        </Field>
      </div>
      {error !== null && <ErrorState error={error} onTrace={(traceId) => desk.shownStory.set({ traceId })} />}
      <button type="submit" disabled={busy || !valid(asset, text)}>
        {busy ? "Paying in…" : "Pay in"}
      </button>
    </form>
  );
}

function valid(asset: string, text: string): boolean {
  if (asset !== CASH) return /^[1-9]\d{0,11}$/.test(text.trim());
  const units = parseMoney(text);
  return units !== null && units > 0n;
}

function newKey(): string {
  return crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
}
