/** A labelled form control; hint and error are tied to it, so that a screen reader says them with it. */

import { type ReactNode, useId } from "react";

export interface FieldAttributes {
  readonly id: string;
  readonly "aria-describedby"?: string;
  readonly "aria-invalid"?: true;
}

export interface FieldProps {
  readonly label: ReactNode;
  readonly hint?: ReactNode;
  readonly error?: ReactNode;
  /** Makes the control; spread the attributes on it. */
  readonly children: (attributes: FieldAttributes) => ReactNode;
}

export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId();
  const told = Boolean(hint) || Boolean(error);
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({
        id,
        ...(told ? { "aria-describedby": `${id}-told` } : {}),
        ...(error ? { "aria-invalid": true } : {}),
      })}
      {told && (
        <div id={`${id}-told`}>
          {error ? <span className="error">{error}</span> : <span className="hint">{hint}</span>}
        </div>
      )}
    </div>
  );
}
