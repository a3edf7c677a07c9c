/** The explorer's page: shows it in the chosen colours. */

import "../shared/base.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { EmptyState } from "../shared/states";
import { ThemeSwitch } from "../shared/ThemeSwitch";
import { applyTheme } from "../shared/theme";

applyTheme();
const root = document.getElementById("root");
if (root === null) throw new Error("the page has no #root");
createRoot(root).render(
  <StrictMode>
    <ThemeSwitch />
    <EmptyState title="Not built yet" />
  </StrictMode>,
);
