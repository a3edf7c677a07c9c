/** Something read from a server: on its way, there, or failed with a way to try again. */

import { useCallback, useEffect, useState } from "react";

export interface Loaded<T> {
  readonly value: T | null;
  readonly error: unknown;
  readonly loading: boolean;
  readonly again: () => void;
}

/** Reads when `key` changes; an answer that comes after the next question is thrown away. */
export function useAsync<T>(key: string, read: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, setState] = useState<{ value: T | null; error: unknown; loading: boolean }>({ value: null, error: null, loading: true });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const control = new AbortController();
    setState((was) => ({ ...was, loading: true }));
    read(control.signal).then(
      (value) => control.signal.aborted || setState({ value, error: null, loading: false }),
      (error: unknown) => control.signal.aborted || setState((was) => ({ value: was.value, error, loading: false })),
    );
    return () => control.abort();
    // The key says what is read; the function is a new one on each render.
  }, [key, round]);
  return { ...state, again: useCallback(() => setRound((was) => was + 1), []) };
}
