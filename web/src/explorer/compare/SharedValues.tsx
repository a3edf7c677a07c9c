/** Values of attributes that the slow spans have more often than the others: a hint at why they are slow. */

import { Link } from "../navigation";
import { searchPath } from "../route";
import { queryToUrl } from "../search/query";
import { ServiceName } from "../ServiceName";
import type { Range } from "../window";
import { type SharedValue, tracesWith } from "./windows";

const WHOSE: Readonly<Record<SharedValue["on"], string>> = { span: "", resource: "of the process", root: "of the request" };

function Share({ name, share, look }: { readonly name: string; readonly share: number; readonly look: string }) {
  return (
    <span className="share-of">
      <span className="share-bar" aria-hidden="true">
        <span className={look} style={{ width: `${100 * share}%` }} />
      </span>
      <span className="number">
        {(100 * share).toFixed(0)} % <span className="muted">{name}</span>
      </span>
    </span>
  );
}

function Value({ value, range }: { readonly value: SharedValue; readonly range: Range }) {
  return (
    <li>
      <span className="grow">
        <Link to={searchPath(queryToUrl(tracesWith(value, range)))}>
          <code>
            {value.key} = {value.value}
          </code>
        </Link>{" "}
        <span className="muted">{WHOSE[value.on]}</span>
      </span>
      <Share name="of the slow" share={value.slow_share} look="slow" />
      <Share name="of the others" share={value.other_share} look="other" />
    </li>
  );
}

export function SharedValues({ values, range }: { readonly values: readonly SharedValue[]; readonly range: Range }) {
  if (!values.length) return null;
  const placeOf = (value: SharedValue) => `${value.service}\u0000${value.operation}`;
  const groups = [...new Set(values.map(placeOf))].map((place) => values.filter((value) => placeOf(value) === place));
  return (
    <section className="panel" aria-labelledby="shared-values">
      <header>
        <h2 id="shared-values">What the slow ones have in common</h2>
      </header>
      {groups.map((group) => (
        <div key={`${group[0]?.service} ${group[0]?.operation}`} className="shared-values">
          <h3>
            <ServiceName service={group[0]?.service ?? ""} /> {group[0]?.operation}
          </h3>
          <ul>
            {group.map((value) => (
              <Value key={`${value.on} ${value.key} ${value.value}`} value={value} range={range} />
            ))}
          </ul>
        </div>
      ))}
    </section>
  );
}
