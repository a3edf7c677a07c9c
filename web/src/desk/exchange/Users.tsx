/** The users: found by their name, each with what can be done to the account. */

import { useState } from "react";
import { type Column } from "../../shared/Table";
import * as desk from "../desk";
import { Paged } from "../history";
import { When } from "../orderColumns";
import type { Act } from "./act";
import type { UserRecord } from "./admin";
import { UserDialog } from "./UserDialog";

const columns = (open: (user: UserRecord) => void): readonly Column<UserRecord>[] => [
  { key: "name", title: "Name", show: (user) => <strong>{user.username}</strong> },
  {
    key: "open",
    title: <span className="visually-hidden">Change</span>,
    show: (user) => (
      <button type="button" className="small" aria-label={`Limits, role, block: ${user.username}`} onClick={() => open(user)}>
        Limits, role, block
      </button>
    ),
  },
  { key: "roles", title: "Roles", show: (user) => <span className={user.roles.includes("admin") ? "chip warn" : "muted"}>{user.roles.join(", ")}</span> },
  { key: "id", title: "Id", number: true, show: (user) => user.user_id },
  { key: "since", title: "Since", show: (user) => <When iso={user.created_at} /> },
  { key: "password", title: "Password", show: (user) => (user.must_reset_password ? "must be set anew" : "") },
];

export function Users({ act, version }: { readonly act: Act; readonly version: number }) {
  const [search, setSearch] = useState("");
  const [opened, setOpened] = useState<UserRecord | null>(null);
  return (
    <>
      <div className="body">
        <input className="search" type="search" aria-label="Find users by name" placeholder="Find by name" maxLength={32} value={search}
          onChange={(event) => setSearch(event.target.value)} />
      </div>
      <Paged
        key={search}
        caption="Users"
        columns={columns(setOpened)}
        rowKey={(user: UserRecord) => user.user_id}
        read={(cursor) => desk.mine().admin.users(search, cursor)}
        version={version}
        empty={{ title: "Nobody has that in the name", text: "The name's beginning, end, or anything between finds a user." }}
      />
      {opened && <UserDialog user={opened} act={act} version={version} onClose={() => setOpened(null)} />}
    </>
  );
}
