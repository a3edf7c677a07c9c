/** Breaking it on purpose, to learn from its traces: each switch says what it breaks, and where that shows. */

import { EmptyState, ErrorState, Loading } from "../../shared/states";
import { type Column, Table } from "../../shared/Table";
import * as desk from "../desk";
import { words } from "../story";
import { useAsync } from "../useAsync";
import type { Act } from "./act";
import type { Fault } from "./admin";

export function Faults({ version, act }: { readonly version: number; readonly act: Act }) {
  const faults = useAsync(`faults ${version}`, () => desk.mine().admin.faults());
  if (faults.error !== null) return <ErrorState error={faults.error} onRetry={faults.again} />;
  if (faults.loading && faults.value === null) return <Loading label="Reading the faults" />;
  const columns: readonly Column<Fault>[] = [
    { key: "fault", title: "Fault", show: (fault) => <strong>{words(fault.name)}</strong> },
    { key: "does", title: "What it does", show: (fault) => <span className="wraps">{`${fault.service}: ${fault.does}`}</span> },
    { key: "look", title: "Where it shows", show: (fault) => <span className="wraps">{fault.look}</span> },
    {
      key: "switch",
      pinned: true,
      title: <span className="visually-hidden">Switch</span>,
      show: (fault) => (
        <button
          type="button"
          className="small"
          aria-pressed={fault.on}
          aria-label={`Fault ${words(fault.name)}`}
          onClick={() => void act(`${words(fault.name)} is ${fault.on ? "off" : "on"}`, () => desk.mine().admin.setFault(fault.name, !fault.on))}
        >
          {fault.on ? "On" : "Off"}
        </button>
      ),
    },
  ];
  return (
    <Table caption="Faults on purpose" columns={columns} rows={faults.value ?? []} rowKey={(fault) => fault.name}
      empty={<EmptyState title="Nothing can be broken here">This exchange was started without faults.</EmptyState>} />
  );
}
