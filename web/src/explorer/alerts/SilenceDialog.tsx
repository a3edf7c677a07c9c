/** Keeping an alert quiet: for how long, how much else with it, and why. */

import { type FormEvent, useState } from "react";
import { Dialog } from "../../shared/Dialog";
import { Field } from "../../shared/Field";
import { ErrorState } from "../../shared/states";
import { type Alert, silence } from "./alerts";

const MINUTES: readonly [minutes: number, text: string][] = [
  [30, "30 minutes"],
  [60, "An hour"],
  [240, "4 hours"],
  [1440, "A day"],
  [10_080, "A week"],
];
const COMMENT_MAX = 500;

export interface SilenceDialogProps {
  readonly alert: Alert;
  readonly onClose: () => void;
  readonly onDone: () => void;
}

export function SilenceDialog({ alert, onClose, onDone }: SilenceDialogProps) {
  const [minutes, setMinutes] = useState(60);
  const [isWhole, setWhole] = useState(false);
  const [comment, setComment] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    const one = { rule: alert.rule, operation: alert.operation ?? "" };
    try {
      await silence({ minutes, service: alert.service, comment, ...(isWhole ? { rule: "", operation: "" } : one) });
      onDone();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return (
    <Dialog title="Keep quiet" onClose={onClose}>
      <form className="silence-form" onSubmit={submit}>
        <p>{alert.summary}</p>
        <Field label="For">
          {(attributes) => (
            <select {...attributes} value={minutes} onChange={(event) => setMinutes(Number(event.target.value))}>
              {MINUTES.map(([value, text]) => (
                <option key={value} value={value}>
                  {text}
                </option>
              ))}
            </select>
          )}
        </Field>
        <label className="row">
          <input type="checkbox" checked={isWhole} onChange={(event) => setWhole(event.target.checked)} /> Every alert of {alert.service}
        </label>
        <Field label="Why" hint="Others read it beside the silence.">
          {(attributes) => <input {...attributes} value={comment} maxLength={COMMENT_MAX} onChange={(event) => setComment(event.target.value)} />}
        </Field>
        {error !== null && <ErrorState error={error} />}
        <button type="submit" className="primary" disabled={isBusy}>
          Keep quiet
        </button>
      </form>
    </Dialog>
  );
}
