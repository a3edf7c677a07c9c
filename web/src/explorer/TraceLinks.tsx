/** Links to example traces, by the beginnings of their ids. */

import { Link } from "./navigation";
import { tracePath } from "./route";

export function TraceLinks({ ids }: { readonly ids: readonly string[] }) {
  return (
    <span className="row">
      {ids.map((id) => (
        <Link key={id} to={tracePath(id)} aria-label={`Trace ${id.slice(0, 8)}`}>
          <code>{id.slice(0, 8)}</code>
        </Link>
      ))}
    </span>
  );
}
