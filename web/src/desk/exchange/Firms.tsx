/** The firms with their accounts and limits. */

import { type FormEvent, useState } from "react";
import { Dialog } from "../../shared/Dialog";
import { grouped } from "../../shared/money";
import { EmptyState, ErrorState, Loading } from "../../shared/states";
import { type Column, Table } from "../../shared/Table";
import * as desk from "../desk";
import { useAsync } from "../useAsync";
import type { Act } from "./act";
import { type Firm, firmPath } from "./admin";
import { KillSwitch, LimitsForm, RestrictionsForm } from "./Controls";
import { limitText, LIMITS } from "./limits";

function limitsText(firm: Firm): string {
  const set = LIMITS.flatMap((limit) => {
    const text = limit.name in firm.limits ? limitText(limit, firm.limits[limit.name] ?? "") : "";
    return text ? [`${limit.title}: ${text}`] : [];
  });
  return set.join(" · ") || "none";
}

const columns = (open: (firmId: string) => void): readonly Column<Firm>[] => [
  { key: "name", title: "Firm", show: (firm) => <strong>{firm.name}</strong> },
  { key: "accounts", title: "Accounts", number: true, show: (firm) => grouped(firm.user_ids.length) },
  { key: "state", title: "State", show: (firm) => <span className={`chip ${firm.blocked ? "sell" : "buy"}`}>{firm.blocked ? "blocked" : "may trade"}</span> },
  { key: "limits", title: "Limits", show: (firm) => <span className="wraps">{limitsText(firm)}</span> },
  {
    key: "open",
    title: <span className="visually-hidden">Change</span>,
    show: (firm) => (
      <button type="button" className="small" aria-label={`Limits, block: ${firm.name}`} onClick={() => open(firm.firm_id)}>
        Limits, block
      </button>
    ),
  },
];

export function Firms({ act, version }: { readonly act: Act; readonly version: number }) {
  const firms = useAsync(`firms ${version}`, () => desk.mine().admin.firms());
  const [opened, setOpened] = useState("");
  if (firms.error !== null) return <ErrorState error={firms.error} onRetry={firms.again} />;
  if (firms.value === null) return <Loading label="Reading the firms" />;
  const firm = firms.value.find((one) => one.firm_id === opened);
  return (
    <>
      <NewFirm act={act} />
      <Table caption="Firms" columns={columns(setOpened)} rows={firms.value} rowKey={(one) => one.firm_id}
        empty={<EmptyState title="No firms yet">A firm holds accounts together under common limits and one kill switch.</EmptyState>} />
      {firm && (
        <Dialog title={firm.name} onClose={() => setOpened("")} wide>
          <FirmControls firm={firm} act={act} />
        </Dialog>
      )}
    </>
  );
}

function FirmControls({ firm, act }: { readonly firm: Firm; readonly act: Act }) {
  const known = { path: firmPath(firm.firm_id), whose: firm.name, controls: firm, act };
  return (
    <>
      <KillSwitch {...known} />
      <LimitsForm key={JSON.stringify(firm.limits)} {...known} />
      <RestrictionsForm key={firm.restricted_symbols.join()} {...known} symbols={firm.restricted_symbols} />
      <p className="muted">{firm.user_ids.length ? `Accounts: ${firm.user_ids.join(", ")}` : "No accounts yet: a user's account is put into a firm from the users."}</p>
    </>
  );
}

function NewFirm({ act }: { readonly act: Act }) {
  const [name, setName] = useState("");
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (await act(`${name.trim()} is a firm now`, () => desk.mine().admin.createFirm(name.trim()))) setName("");
  };
  return (
    <form className="body row" aria-label="New firm" onSubmit={(event) => void submit(event)}>
      <input className="search" aria-label="Name of a new firm" placeholder="Name of a new firm" maxLength={64} value={name} onChange={(event) => setName(event.target.value)} />
      <button type="submit" disabled={!name.trim()}>
        Make a firm
      </button>
    </form>
  );
}
