/** A value that components follow. Changes are told once per frame at most, however fast they come. */

import { useSyncExternalStore } from "react";

export interface Store<T> {
  readonly get: () => T;
  readonly set: (next: T | ((was: T) => T)) => void;
  readonly subscribe: (listener: () => void) => () => void;
}

export function createStore<T>(initial: T): Store<T> {
  let value = initial;
  let shown = initial;
  let waiting = false;
  const listeners = new Set<() => void>();
  const tell = () => {
    waiting = false;
    shown = value;
    for (const listener of listeners) listener();
  };
  return {
    get: () => shown,
    set: (next) => {
      value = typeof next === "function" ? (next as (was: T) => T)(value) : next;
      if (waiting) return;
      waiting = true;
      // A hidden tab has no frames: a timer keeps it from growing stale.
      if (document.hidden) setTimeout(tell, 100);
      else requestAnimationFrame(tell);
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export function useStore<T>(store: Store<T>): T {
  return useSyncExternalStore(store.subscribe, store.get);
}
