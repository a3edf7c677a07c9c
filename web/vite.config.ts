import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

// Two pages share one folder of assets: the gateway serves desk.html, jaegerlite serves explorer.html, each its /assets.
// In development (`npm run dev`) both talk to an exchange that runs at the addresses below.
const gateway = process.env.GATEWAY_URL ?? "http://127.0.0.1:8347";
const jaeger = process.env.JAEGER_URL ?? "http://127.0.0.1:16686";
const OF_THE_GATEWAY = ["/auth", "/v1", "/wallet", "/marketdata", "/reports", "/notifications", "/desk"];

/** Leaves each script, style sheet and picture packed beside it, for servers to send as it is. */
const packed: Plugin = {
  name: "packed",
  apply: "build",
  generateBundle(_, bundle) {
    for (const [name, file] of Object.entries(bundle)) {
      if (!/\.(js|css|svg)$/.test(name)) continue;
      const content = Buffer.from(file.type === "chunk" ? file.code : file.source);
      const text = { params: { [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT } };
      this.emitFile({ type: "asset", fileName: `${name}.br`, source: brotliCompressSync(content, text) });
      this.emitFile({ type: "asset", fileName: `${name}.gz`, source: gzipSync(content, { level: 9 }) });
    }
  },
};

export default defineConfig({
  base: "/",
  plugins: [react(), packed],
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
