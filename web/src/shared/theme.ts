/** Light or dark: what the system wishes, unless the reader chose. The choice stays in this browser. */

import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark";

const KEY = "outcry.theme";
const systemDark = window.matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function chosen(): Theme | null {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : null;
}

/** The theme that is shown now. */
export function theme(): Theme {
  return chosen() ?? (systemDark.matches ? "dark" : "light");
}

/** Shows the theme of choice or system, now and whenever it changes. Call once, before the first paint. */
export function applyTheme(): void {
  const show = () => {
    document.documentElement.dataset.theme = theme();
    for (const listener of listeners) listener();
  };
  systemDark.addEventListener("change", show);
  window.addEventListener("storage", (event) => event.key === KEY && show());
  show();
}

/** Chooses a theme for this browser. */
export function chooseTheme(wanted: Theme): void {
  localStorage.setItem(KEY, wanted);
  document.documentElement.dataset.theme = wanted;
  for (const listener of listeners) listener();
}

/** The theme, for components that draw with its colours. */
export function useTheme(): Theme {
  return useSyncExternalStore((listener) => (listeners.add(listener), () => listeners.delete(listener)), theme);
}

/** A colour of the theme for canvases, e.g. `token("buy")`. */
export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
