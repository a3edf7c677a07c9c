/** The order ticket: what one wants, what it costs, why it cannot be placed. Its rules are in ticket.ts. */

import { type FormEvent, useEffect, useMemo, useState } from "react";
import { Field } from "../shared/Field";
import { RequestError } from "../shared/http";
import { dollars, grouped, money } from "../shared/money";
import { useStore } from "../shared/store";
import { ErrorState, Loading } from "../shared/states";
import { toast } from "../shared/Toasts";
import * as desk from "./desk";
import { describeOrder } from "./orderColumns";
import { ORDER_TYPES, SELF_TRADE, TIMES } from "./orderTypes";
import { words } from "./story";
import { type Draft, type Judgement, judge, NEW_DRAFT, typeOf, withType } from "./ticket";
import type { Order, Side } from "./types";

export function TicketPanel() {
  const symbol = useStore(desk.symbol);
  const instrument = useStore(desk.listed).find((one) => one.symbol === symbol);
  const book = useStore(desk.book);
  const holdings = useStore(desk.holdings);
  const picked = useStore(desk.pickedPrice);
  const [draft, setDraft] = useState<Draft>(NEW_DRAFT);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [placed, setPlaced] = useState<Order | null>(null);
  const change = (some: Partial<Draft>) => {
    setError(null);
    setDraft((was) => ({ ...was, ...some }));
  };
  useEffect(() => {
    if (picked === null || Date.now() - picked.at > 2000) return;
    setDraft((was) => {
      const field = typeOf(was).prices.find((one) => one.field !== "trail_amount")?.field;
      const draft = field ? was : withType(was, "LIMIT");
      return { ...draft, prices: { ...draft.prices, [field ?? "price"]: picked.price } };
    });
  }, [picked]);
  const judgement = useMemo(
    () => (instrument ? judge(draft, { instrument, book, balances: holdings?.balances ?? [] }) : null),
    [draft, instrument, book, holdings],
  );
  if (!instrument || !judgement || holdings === null) return <Loading label="Reading your account" lines={6} />;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (judgement.body === null) return;
    setBusy(true);
    setError(null);
    try {
      setPlaced(await placeOnce(judgement.body));
      setDraft((was) => ({ ...was, quantity: "", linked: "" }));
    } catch (failure) {
      setPlaced(null);
      setError(failure);
    } finally {
      setBusy(false);
      desk.lookSoon();
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)} noValidate>
      <header className="panel-head">
        <h2>Order · {symbol}</h2>
      </header>
      <div className="body stack">
        <SideSwitch side={draft.side} onChange={(side) => change({ side })} />
        <Essentials draft={draft} judgement={judgement} change={change} setType={(key) => setDraft(withType(draft, key))} />
        <Options draft={draft} judgement={judgement} change={change} partners={holdings.orders.filter((order) => order.symbol === symbol && order.linked_order_id === null)} />
        <Cost draft={draft} judgement={judgement} />
        {error !== null && <ErrorState error={error} onTrace={(traceId) => desk.shownStory.set({ traceId })} />}
        <button type="submit" className={`primary ${draft.side === "BUY" ? "buys" : "sells"}`} disabled={busy || judgement.body === null}>
          {busy ? "Placing…" : `${draft.side === "BUY" ? "Buy" : "Sell"} ${draft.quantity && judgement.body ? grouped(draft.quantity) : ""} ${symbol}`}
        </button>
        {placed && <Placed order={placed} />}
      </div>
    </form>
  );
}

/** Places an order under a key of its own. Where no answer came, the same key asks again and nothing is placed twice. */
async function placeOnce(body: Readonly<Record<string, unknown>>): Promise<Order> {
  const key = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  try {
    return (await desk.mine().place(body, key)).body;
  } catch (error) {
    if (!(error instanceof RequestError) || error.status !== 0) throw error;
    toast("plain", "No answer came; asking again whether the order was placed.");
    return (await desk.mine().place(body, key)).body;
  }
}

function SideSwitch({ side, onChange }: { readonly side: Side; readonly onChange: (side: Side) => void }) {
  return (
    <fieldset className="sides">
      <legend className="visually-hidden">Side</legend>
      {(["BUY", "SELL"] as const).map((one) => (
        <label key={one} className={`${one.toLowerCase()} ${one === side ? "on" : ""}`}>
          <input type="radio" name="side" checked={one === side} onChange={() => onChange(one)} />
          {one === "BUY" ? "Buy" : "Sell"}
        </label>
      ))}
    </fieldset>
  );
}

interface PartProps {
  readonly draft: Draft;
  readonly judgement: Judgement;
  readonly change: (some: Partial<Draft>) => void;
}

function Essentials({ draft, judgement, change, setType }: PartProps & { readonly setType: (key: string) => void }) {
  const type = typeOf(draft);
  return (
    <>
      <div className="pair">
        <Field label="Type">
          {(attributes) => (
            <select {...attributes} value={draft.type} onChange={(event) => setType(event.target.value)}>
              {ORDER_TYPES.map((one) => (
                <option key={one.key} value={one.key}>
                  {one.title}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label="Time in force">
          {(attributes) => (
            <select {...attributes} value={draft.time} onChange={(event) => change({ time: event.target.value })}>
              {type.times.map((key) => (
                <option key={key} value={key}>
                  {key}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
      <p className="muted small-text">
        {type.hint} {TIMES[draft.time]?.title}.
      </p>
      <div className="pair">
        <Field label="Shares" error={judgement.problems.quantity}>
          {(attributes) => (
            <input {...attributes} inputMode="numeric" autoComplete="off" value={draft.quantity} onChange={(event) => change({ quantity: event.target.value })} />
          )}
        </Field>
        {type.prices.map(({ field, label }) => (
          <Field key={field} label={label} error={judgement.problems[field]}>
            {(attributes) => (
              <input
                {...attributes}
                inputMode="decimal"
                autoComplete="off"
                value={draft.prices[field] ?? ""}
                onChange={(event) => change({ prices: { ...draft.prices, [field]: event.target.value } })}
              />
            )}
          </Field>
        ))}
      </div>
      {draft.time === "GTD" && (
        <Field label="Until" error={judgement.problems.expires}>
          {(attributes) => (
            <input {...attributes} type="datetime-local" value={draft.expires} onChange={(event) => change({ expires: event.target.value })} />
          )}
        </Field>
      )}
    </>
  );
}

function Options({ draft, judgement, change, partners }: PartProps & { readonly partners: readonly Order[] }) {
  const resting = typeOf(draft).options && TIMES[draft.time]?.rests;
  return (
    <details className="options">
      <summary>More options</summary>
      <div className="stack">
        {resting && (
          <>
            <label className="row">
              <input type="checkbox" checked={draft.postOnly} onChange={(event) => change({ postOnly: event.target.checked })} />
              Post-only: never trade at once
            </label>
            <Field label="Shares shown at a time (iceberg)" error={judgement.problems.display} hint="Empty shows all.">
              {(attributes) => (
                <input {...attributes} inputMode="numeric" autoComplete="off" value={draft.display} onChange={(event) => change({ display: event.target.value })} />
              )}
            </Field>
          </>
        )}
        {TIMES[draft.time]?.rests && partners.length > 0 && (
          <Field label="One cancels the other" hint="The chosen order ends when this one trades, and this one when that does.">
            {(attributes) => (
              <select {...attributes} value={draft.linked} onChange={(event) => change({ linked: event.target.value })}>
                <option value="">not linked</option>
                {partners.map((order) => (
                  <option key={order.order_id} value={order.order_id}>
                    {describeOrder(order)}
                  </option>
                ))}
              </select>
            )}
          </Field>
        )}
        <Field label="Where it meets an order of yours">
          {(attributes) => (
            <select {...attributes} value={draft.selfTrade} onChange={(event) => change({ selfTrade: event.target.value })}>
              {SELF_TRADE.map((one) => (
                <option key={one.key} value={one.key}>
                  {one.title}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
    </details>
  );
}

function Cost({ draft, judgement }: Pick<PartProps, "draft" | "judgement">) {
  const { estimate, problems } = judgement;
  const reason = problems[""];
  return (
    <div className="cost" aria-live="polite">
      <dl>
        <dt>{draft.side === "BUY" ? "Held at most" : "Shares held"}</dt>
        <dd>{draft.side === "BUY" ? (estimate?.cost != null ? dollars(estimate.cost) : "–") : draft.quantity || "–"}</dd>
        <dt>Fills now</dt>
        <dd>
          {estimate === null
            ? "–"
            : estimate.averageNow === null
              ? "nothing"
              : `${grouped(estimate.fillsNow)} at ${dollars(estimate.averageNow)}`}
        </dd>
        {estimate !== null && estimate.feeNow > 0n && (
          <>
            <dt>Fee of that</dt>
            <dd>{dollars(estimate.feeNow)}</dd>
          </>
        )}
      </dl>
      {reason && <p className="notice warn">{reason}</p>}
    </div>
  );
}

function Placed({ order }: { readonly order: Order }) {
  const status = words(order.status.toLowerCase());
  const filled = order.filled_quantity > 0 && order.average_price !== null;
  return (
    <div className="notice placed" role="status">
      <span className="grow">
        Order {status}
        {filled && `, ${grouped(order.filled_quantity)} at ${dollars(money(order.average_price ?? "0"))}`}
        {order.reason && ` (${words(order.reason)})`}
      </span>
      <button type="button" className="link" onClick={() => desk.shownStory.set({ orderId: order.order_id })}>
        Its way
      </button>
    </div>
  );
}
