/** The switch between light and dark. */

import { chooseTheme, useTheme } from "./theme";

export function ThemeSwitch() {
  const theme = useTheme();
  const other = theme === "dark" ? "light" : "dark";
  return (
    <button type="button" className="plain" onClick={() => chooseTheme(other)} aria-label={`Switch to ${other} colours`}>
      <span aria-hidden="true">{theme === "dark" ? "☀" : "☾"}</span>
    </button>
  );
}
