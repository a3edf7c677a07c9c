/** Everything that one was told, newest first. */

import { useEffect } from "react";
import { useStore } from "../shared/store";
import { EmptyState } from "../shared/states";
import { type Column, Table } from "../shared/Table";
import { isoFromMicros } from "../shared/time";
import * as desk from "./desk";
import { noticeText } from "./noticeText";
import { WayButton, When } from "./orderColumns";
import type { Notice } from "./types";

const COLUMNS: readonly Column<Notice>[] = [
  { key: "time", title: "Time", show: (notice) => <When iso={isoFromMicros(notice.time_us)} /> },
  { key: "text", title: "What happened", show: (notice) => <span className="wraps">{noticeText(notice)}</span> },
  { key: "way", pinned: true, title: <span className="visually-hidden">Trace</span>, show: (notice) => <WayButton orderId={notice.order_id} what={`the order: ${noticeText(notice)}`} /> },
];

export function NoticesTab() {
  const notices = useStore(desk.notices);
  useEffect(() => desk.unread.set(0), [notices]);
  return (
    <Table
      caption="Your notifications, newest first"
      columns={COLUMNS}
      rows={notices}
      rowKey={desk.noticeKey}
      empty={<EmptyState title="Nothing to tell yet">Fills and changes of your orders are told here.</EmptyState>}
    />
  );
}
