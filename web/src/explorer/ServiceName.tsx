/** A service by its colour and its name: the name says it, the colour only helps the eye. */

import { serviceColour } from "./model/colours";

export function ServiceName({ service, count }: { readonly service: string; readonly count?: number }) {
  return (
    <span className="service">
      <span className="swatch" style={{ background: serviceColour(service) }} aria-hidden="true" />
      <span className="service-name" title={service}>
        {service}
      </span>
      {count !== undefined && <span className="muted"> {count}</span>}
    </span>
  );
}
