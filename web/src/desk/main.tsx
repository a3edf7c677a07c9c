/** The desk's page: shows it in the chosen colours and starts it. */

import "../shared/base.css";
import "./desk.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { applyTheme } from "../shared/theme";
import { App } from "./App";
import { start } from "./desk";

applyTheme();
start();
const root = document.getElementById("root");
if (root === null) throw new Error("the page has no #root");
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
