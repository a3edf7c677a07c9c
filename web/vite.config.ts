import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Two pages share one folder of assets: the gateway serves desk.html, jaegerlite serves explorer.html, each its /assets.
// In development (`npm run dev`) both talk to an exchange that runs at the addresses below.
const gateway = process.env.GATEWAY_URL ?? "http://127.0.0.1:8347";
const jaeger = process.env.JAEGER_URL ?? "http://127.0.0.1:16686";
const OF_THE_GATEWAY = ["/auth", "/v1", "/wallet", "/marketdata", "/reports", "/notifications", "/desk"];

export default defineConfig({
  base: "/",
  plugins: [react()],
  build: {
    target: "es2022",
    // A strict Content-Security-Policy allows neither inlined images nor inline scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: { desk: "desk.html", explorer: "explorer.html" } },
  },
  server: {
    proxy: {
      ...Object.fromEntries(OF_THE_GATEWAY.map((path) => [path, gateway])),
      "/ws": { target: gateway, ws: true },
      "/api": jaeger,
    },
  },
  test: { include: ["src/**/*.test.ts", "src/**/*.test.tsx"], environment: "node" },
});
