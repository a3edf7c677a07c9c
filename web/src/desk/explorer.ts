/** Where the trace explorer is: the gateway writes it into the page. */

const PLACEHOLDER = "{{explorer}}";

/** Address of a trace in the explorer; "" where the page came from somewhere else than the gateway. */
export function explorerUrl(traceId = ""): string {
  const base = document.querySelector<HTMLMetaElement>('meta[name="trace-explorer"]')?.content ?? "";
  if (base === "" || base === PLACEHOLDER) return "";
  return traceId ? `${base}/trace/${traceId}` : `${base}/search?service=client-gateway`;
}
