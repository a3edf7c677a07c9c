/** Choosing whose traces a page is about: all, those of a service, or of one of its operations. */

import { useCallback } from "react";
import { fetchOperations, fetchServices } from "./api";
import { NameSelect } from "./NameSelect";
import { useLoaded } from "./useLoaded";

export interface Scope {
  /** Empty for all. */
  readonly service: string;
  readonly operation: string;
}

export function ScopeFields({ scope, onChange }: { readonly scope: Scope; readonly onChange: (scope: Scope) => void }) {
  const { service, operation } = scope;
  const services = useLoaded(fetchServices);
  const operations = useLoaded(useCallback(async (signal: AbortSignal) => (service ? fetchOperations(service, signal) : []), [service]));
  return (
    <>
      <NameSelect aria-label="Service" className="narrow" all="All services" names={services.data ?? []} value={service} onChoose={(name) => onChange({ service: name, operation: "" })} />
      {service && (
        <NameSelect aria-label="Operation" className="narrow" all="All operations" names={operations.data ?? []} value={operation} onChoose={(name) => onChange({ service, operation: name })} />
      )}
    </>
  );
}
