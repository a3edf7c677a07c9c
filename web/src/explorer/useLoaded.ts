/** Data on its way: what a page shows while it loads, when it came, and when it did not. */

import { useCallback, useEffect, useState } from "react";

export type Loaded<T> =
  | { state: "loading"; data: T | null }
  | { state: "ready"; data: T }
  | { state: "failed"; data: T | null; error: unknown };

/**
 * Load whenever `load` changes (wrap it in `useCallback`) or `again` is called; what was loaded before stays until then.
 * An answer that comes after the next question is dropped.
 */
export function useLoaded<T>(load: (signal: AbortSignal) => Promise<T>): Loaded<T> & { again: () => void } {
  const [loaded, setLoaded] = useState<Loaded<T>>({ state: "loading", data: null });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    setLoaded((before) => ({ state: "loading", data: before.data }));
    load(stop.signal).then(
      (data) => !stop.signal.aborted && setLoaded({ state: "ready", data }),
      (error: unknown) => !stop.signal.aborted && setLoaded((before) => ({ state: "failed", data: before.data, error })),
    );
    return () => stop.abort();
  }, [load, turn]);
  const again = useCallback(() => setTurn((before) => before + 1), []);
  return { ...loaded, again };
}
