/** What administrators can do to an account: block it, limit it, give it a role, end its tokens and its password. */

import { useState } from "react";
import { Dialog } from "../../shared/Dialog";
import { ErrorState, Loading } from "../../shared/states";
import * as desk from "../desk";
import { useAsync } from "../useAsync";
import type { Act } from "./act";
import { type AccountControls, accountPath, type UserRecord } from "./admin";
import { KillSwitch, LimitsForm, RestrictionsForm } from "./Controls";

export interface UserDialogProps {
  readonly user: UserRecord;
  readonly act: Act;
  readonly version: number;
  readonly onClose: () => void;
}

export function UserDialog({ user, act, version, onClose }: UserDialogProps) {
  const path = accountPath(user.user_id);
  const controls = useAsync(`controls ${path} ${version}`, () => desk.mine().admin.controls<AccountControls>(path));
  const known = controls.value && { path, whose: user.username, controls: controls.value, act };
  return (
    <Dialog title={`${user.username}, user ${user.user_id}`} onClose={onClose} wide>
      {controls.error !== null && <ErrorState error={controls.error} onRetry={controls.again} />}
      {known ? (
        <>
          <KillSwitch {...known} />
          {known.controls.shut_out && !known.controls.blocked && <p className="notice warn">Shut out by the kill switch of its firm.</p>}
          {/* Made anew when what is in force has changed. */}
          <LimitsForm key={JSON.stringify(known.controls.limits)} {...known} />
          <RestrictionsForm key={known.controls.restricted_symbols.join()} {...known} symbols={known.controls.restricted_symbols} />
          <Firm user={user} firmId={known.controls.firm_id} act={act} version={version} />
        </>
      ) : (
        controls.error === null && <Loading label="Reading the account" lines={8} />
      )}
      <Credentials user={user} act={act} onClose={onClose} />
    </Dialog>
  );
}

function Firm({ user, firmId, act, version }: { readonly user: UserRecord; readonly firmId: string | null; readonly act: Act; readonly version: number }) {
  const firms = useAsync(`firms ${version}`, () => desk.mine().admin.firms());
  if (!firms.value?.length) return null;
  const join = (next: string) => {
    const name = firms.value?.find((firm) => firm.firm_id === next)?.name ?? "no firm";
    void act(`${user.username} belongs to ${name}`, () => desk.mine().admin.join(user.user_id, next || null));
  };
  return (
    <label className="row">
      Firm
      <select className="narrow" value={firmId ?? ""} onChange={(event) => join(event.target.value)}>
        <option value="">none</option>
        {firms.value.map((firm) => (
          <option key={firm.firm_id} value={firm.firm_id}>
            {firm.name}
          </option>
        ))}
      </select>
    </label>
  );
}

function Credentials({ user, act, onClose }: { readonly user: UserRecord; readonly act: Act; readonly onClose: () => void }) {
  const [code, setCode] = useState("");
  const { admin } = desk.mine();
  const isAdmin = user.roles.includes("admin");
  const changeRole = async () => {
    const role = isAdmin ? "user" : "admin";
    // The list behind shows the new role; what this dialog was opened with is old.
    if (await act(`${user.username} is ${isAdmin ? "an ordinary user" : "an administrator"} now`, () => admin.setRole(user.user_id, role))) onClose();
  };
  const reset = () => act(`The password of ${user.username} opens nothing any more`, async () => setCode(await admin.resetPassword(user.user_id)));
  return (
    <section className="stack" aria-label="Role and sign-in">
      <h3>Role and sign-in</h3>
      <div className="row">
        <button type="button" onClick={() => void changeRole()}>
          {isAdmin ? "Make an ordinary user" : "Make an administrator"}
        </button>
        <button type="button" onClick={() => void act(`${user.username} is signed out everywhere`, () => admin.revokeTokens(user.user_id))}>
          Sign out everywhere
        </button>
        <button type="button" onClick={() => void reset()}>
          Reset password
        </button>
      </div>
      {code && (
        <p className="notice" role="status">
          Give {user.username} this code; it sets a new password once, within a day: <code>{code}</code>
        </p>
      )}
    </section>
  );
}
