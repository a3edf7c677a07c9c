/** The explorer's page: shows it in the chosen colours. */

import "../shared/base.css";
import "./explorer.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { applyTheme } from "../shared/theme";
import { Explorer } from "./Explorer";

applyTheme();
const root = document.getElementById("root");
if (root === null) throw new Error("the page has no #root");
createRoot(root).render(
  <StrictMode>
    <Explorer />
  </StrictMode>,
);
