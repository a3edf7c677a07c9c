/** A choice among names, the first of them standing for all; what is chosen can be chosen even where it is not known. */

import type { SelectHTMLAttributes } from "react";

export interface NameSelectProps extends Omit<SelectHTMLAttributes<HTMLSelectElement>, "value" | "onChange"> {
  readonly all: string;
  readonly names: readonly string[];
  /** Empty for all. */
  readonly value: string;
  readonly onChoose: (name: string) => void;
}

export function NameSelect({ all, names, value, onChoose, ...attributes }: NameSelectProps) {
  return (
    <select {...attributes} value={value} onChange={(event) => onChoose(event.target.value)}>
      <option value="">{all}</option>
      {[...new Set(value ? [...names, value] : names)].map((name) => (
        <option key={name}>{name}</option>
      ))}
    </select>
  );
}
