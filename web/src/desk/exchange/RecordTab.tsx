/** Who did what, when, in which trace: to the market, to risk controls, to users and to the ledger. */

import { useState } from "react";
import { type Column } from "../../shared/Table";
import { Segments } from "../../shared/Segments";
import * as desk from "../desk";
import { Paged } from "../history";
import { When } from "../orderColumns";
import { words } from "../story";
import type { AdminAction, RecordName } from "./admin";

const RECORDS: readonly (readonly [value: RecordName, text: string])[] = [
  ["market", "Market"],
  ["controls", "Risk controls"],
  ["users", "Users"],
  ["ledger", "Ledger"],
];

const COLUMNS: readonly Column<AdminAction>[] = [
  { key: "time", title: "Time", show: (action) => <When iso={action.time} /> },
  { key: "who", title: "Who", show: (action) => `user ${action.user_id}` },
  { key: "what", title: "What", show: (action) => words(action.what) },
  { key: "subject", title: "Of what", show: (action) => action.subject || "all" },
  { key: "detail", title: "Detail", show: (action) => <span className="wraps">{action.detail}</span> },
  {
    key: "way",
    pinned: true,
    title: <span className="visually-hidden">Trace</span>,
    show: (action) =>
      action.trace_id && (
        <button type="button" className="link" onClick={() => desk.shownStory.set({ traceId: action.trace_id })} aria-label={`Its way: ${words(action.what)} at ${action.time}`}>
          Its way
        </button>
      ),
  },
];

export function RecordTab({ version }: { readonly version: number }) {
  const [record, setRecord] = useState<RecordName>("market");
  return (
    <>
      <div className="body">
        <Segments label="Record of" choices={RECORDS} chosen={record} onChoose={setRecord} />
      </div>
      <Paged
        key={record}
        caption="Actions of administrators, newest first"
        columns={COLUMNS}
        rowKey={(action: AdminAction) => action.key}
        read={(cursor) => desk.mine().admin.record(record, cursor)}
        version={version}
        empty={{ title: "Nothing was done yet", text: "What administrators do here is recorded, with who and when." }}
      />
    </>
  );
}
