/** The risk controls of an account or a firm: the kill switch, the limits, and symbols that may not be traded. */

import { type FormEvent, useState } from "react";
import { Field } from "../../shared/Field";
import * as desk from "../desk";
import type { Act } from "./act";
import type { Controls } from "./admin";
import { type Limit, limitChanges, limitProblem, limitText, LIMITS, symbolsOf } from "./limits";

export interface ControlsProps {
  /** The beginning of their path in the API. */
  readonly path: string;
  /** In words: "ann", "Acme". */
  readonly whose: string;
  readonly controls: Controls;
  readonly act: Act;
}

export function KillSwitch({ path, whose, controls: { blocked }, act }: ControlsProps) {
  const turn = () =>
    act(blocked ? `${whose} may trade again` : `${whose} is blocked and has no orders`, () => desk.mine().admin.block(path, !blocked));
  return (
    <section className="row" aria-label="Kill switch">
      <span className={`chip ${blocked ? "sell" : "buy"}`}>{blocked ? "blocked" : "may trade"}</span>
      <span className="grow muted">{blocked ? "New orders are refused." : "Blocking cancels all orders and refuses new ones."}</span>
      <button type="button" onClick={() => void turn()}>
        {blocked ? "Let in again" : "Block"}
      </button>
    </section>
  );
}

export function LimitsForm({ path, whose, controls, act }: ControlsProps) {
  const limits = LIMITS.filter(({ name }) => name in controls.limits);
  const shown = Object.fromEntries(limits.map((limit) => [limit.name, limitText(limit, controls.limits[limit.name] ?? "")]));
  const [typed, setTyped] = useState<Readonly<Record<string, string>>>(shown);
  const [busy, setBusy] = useState(false);
  const changes = limitChanges(shown, typed);
  const problemOf = (limit: Limit) => limitProblem(limit, typed[limit.name] ?? "");
  const wrong = limits.some(problemOf);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    await act(`Limits of ${whose} are set`, () => desk.mine().admin.setLimits(path, changes));
    setBusy(false);
  };
  return (
    <form className="stack" aria-label="Limits" onSubmit={(event) => void submit(event)}>
      <h3>Limits</h3>
      <div className="limits">
        {limits.map((limit) => (
          <Field key={limit.name} label={limit.title} error={problemOf(limit)}>
            {(attributes) => (
              <input {...attributes} inputMode="decimal" autoComplete="off" placeholder="default" value={typed[limit.name] ?? ""}
                onChange={(event) => setTyped({ ...typed, [limit.name]: event.target.value })} />
            )}
          </Field>
        ))}
      </div>
      <div className="row">
        <button type="submit" className="primary" disabled={busy || wrong || Object.keys(changes).length === 0}>
          Set limits
        </button>
        <span className="muted small-text">In force from the next order on. An emptied field goes back to the default.</span>
      </div>
    </form>
  );
}

export interface RestrictionsProps {
  readonly path: string;
  readonly whose: string;
  readonly symbols: readonly string[];
  readonly act: Act;
}

export function RestrictionsForm({ path, whose, symbols, act }: RestrictionsProps) {
  const now = symbols.join(", ");
  const [text, setText] = useState(now);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const wanted = symbolsOf(text);
    void act(wanted.length ? `${whose} may not trade ${wanted.join(", ")}` : `${whose} may trade all symbols`, () => desk.mine().admin.restrict(path, wanted));
  };
  return (
    <form className="row restrictions" aria-label="Restricted symbols" onSubmit={submit}>
      <div className="grow">
        <Field label={path === "/admin" ? "Symbols that nobody may trade" : `Symbols that ${whose} may not trade`}>
          {(attributes) => <input {...attributes} autoComplete="off" placeholder="none" value={text} onChange={(event) => setText(event.target.value)} />}
        </Field>
      </div>
      <button type="submit" disabled={symbolsOf(text).join(", ") === now}>
        Restrict
      </button>
    </form>
  );
}
