/** A table whose columns are given as a list: caption for screen readers, numbers aligned, sortable where a column says how. */

import { type ReactNode, useState } from "react";

export interface Column<Row> {
  readonly key: string;
  readonly title: ReactNode;
  readonly show: (row: Row) => ReactNode;
  /** Right-aligned with figures of equal width. */
  readonly number?: boolean;
  /** Stays in sight at the right edge where the table scrolls sideways: what one does with a row. */
  readonly pinned?: boolean;
  /** Makes the column sortable: what the rows are ordered by. */
  readonly order?: (row: Row) => number | string | bigint;
}

export interface TableProps<Row> {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string;
  readonly rowClass?: (row: Row) => string;
  /** Shown instead of an empty table. */
  readonly empty: ReactNode;
}

/** By which column, which way. */
export interface Sorting {
  readonly key: string;
  readonly descending: boolean;
}

function classOf<Row>({ number, pinned }: Column<Row>): string {
  return `${number ? "number" : ""} ${pinned ? "pinned" : ""}`.trim();
}

export function Table<Row>({ caption, columns, rows, rowKey, rowClass, empty }: TableProps<Row>) {
  const [sorting, setSorting] = useState<Sorting | null>(null);
  if (rows.length === 0) return <>{empty}</>;
  const turn = (key: string) => setSorting((was) => ({ key, descending: was?.key === key ? !was.descending : true }));
  return (
    // A region that scrolls can be reached by keyboard (WCAG 2.1.1).
    <div className="table-frame" tabIndex={0} role="region" aria-label={caption}>
      <table>
        <caption className="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.key} scope="col" className={classOf(column)} aria-sort={ariaSort(column.key, sorting)}>
                {column.order ? (
                  <button type="button" onClick={() => turn(column.key)}>
                    {column.title} {sorting?.key === column.key && <span aria-hidden="true">{sorting.descending ? "↓" : "↑"}</span>}
                  </button>
                ) : (
                  column.title
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted(rows, columns, sorting).map((row) => (
            <tr key={rowKey(row)} className={rowClass?.(row) ?? ""}>
              {columns.map((column) => (
                <td key={column.key} className={classOf(column)}>
                  {column.show(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function ariaSort(key: string, sorting: Sorting | null): "ascending" | "descending" | "none" {
  if (sorting?.key !== key) return "none";
  return sorting.descending ? "descending" : "ascending";
}

/** The rows in the order of the sorting; rows that are equal keep their order. */
export function sorted<Row>(rows: readonly Row[], columns: readonly Column<Row>[], sorting: Sorting | null): readonly Row[] {
  const order = columns.find((column) => column.key === sorting?.key)?.order;
  if (!order || !sorting) return rows;
  const sign = sorting.descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [one, other] = [order(a), order(b)];
    return one === other ? 0 : one < other ? -sign : sign;
  });
}
