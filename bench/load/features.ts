/**
 * The features whose cost is measured, each with a server that has it and one that does not. How they
 * are loaded is in `plan.ts`.
 */

import { generateKeyPairJwk } from "../../src/access/keys.ts";
import { freePort } from "../../tests/helpers/port.ts";
import { REVOCATIONS } from "./host_options.ts";
import { ADMIN_SECRET, KEYS, onHost, ours, type Server } from "./commands.ts";

const ANOTHER_KEY = await generateKeyPairJwk();

/** Where nothing listens. */
const NOWHERE = "http://127.0.0.1:9";

const SCRAPE_MS = 1000;

/** This server with authentication, and with these settings. */
export function withAuth(
  about: string,
  env: Record<string, string> | (() => Record<string, string>),
): Server {
  return {
    title: about,
    about,
    protocol: "client-db",
    hasTokens: true,
    health: "/health",
    command: (port) =>
      ours(port, {
        PRIVATE_KEY_JWK: KEYS.privateKeyJwk,
        ADMIN_SECRET,
        ...typeof env === "function" ? env() : env,
      }),
  };
}

function mounted(feature: string) {
  return {
    title: `handler, ${feature}`,
    about: `createSignalingHandler in a program of its own, ${feature}`,
    protocol: "client-db",
    hasTokens: true,
    health: "/health",
    command: (port) => onHost(port, feature),
  } as const satisfies Server;
}

/** Reads the metrics again and again. */
function scrape(port: number): () => void {
  const timer = setInterval(async () => {
    const headers = { "x-admin-secret": ADMIN_SECRET };
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { headers }).catch(() => {});
    await answer?.body?.cancel();
  }, SCRAPE_MS);
  return () => clearInterval(timer);
}

const ICE = {
  ICE_SERVERS: '[{"urls":"stun:stun.example.com:3478"}]',
  TURN_URLS: "turn:turn.example.com:3478,turns:turn.example.com:5349",
  TURN_SECRET: "a-secret-shared-with-the-turn-server",
};

/** The servers that only the table of features has. */
export const FEATURE_SERVERS = {
  "f-metrics": { ...withAuth("/metrics read every second", {}), meanwhile: scrape },
  "f-ice": { ...withAuth("ICE servers", ICE), protocol: "client-db-ice" },
  "f-keys": withAuth("VERIFY_KEYS_JWK", () => ({ VERIFY_KEYS_JWK: ANOTHER_KEY.publicKeyJwk })),
  "f-expired": withAuth("CLOSE_EXPIRED", { CLOSE_EXPIRED: "true" }),
  "f-internal": withAuth("INTERNAL_PORT", () => ({ INTERNAL_PORT: String(freePort()) })),
  "f-otel": withAuth("OTEL_DENO", { OTEL_DENO: "true", OTEL_EXPORTER_OTLP_ENDPOINT: NOWHERE }),
  "f-playground": withAuth("PLAYGROUND", { PLAYGROUND: "true" }),
  "f-errors": withAuth("LOG_LEVEL=error", { LOG_LEVEL: "error" }),
  "f-never": withAuth("REINTRODUCE_SECONDS=0", { REINTRODUCE_SECONDS: "0" }),
  "f-admin": {
    title: "ADMIN_SECRET without auth",
    about: "AUTH_DISABLED=true with ADMIN_SECRET",
    protocol: "client-db",
    health: "/health",
    command: (port) => ours(port, { AUTH_DISABLED: "true", ADMIN_SECRET }),
  },
  "f-host": mounted("none"),
  "f-revocations": mounted("revocations"),
  "f-on-peer": mounted("on-peer"),
} as const satisfies Record<string, Server>;

/** A row of the table: a feature, a server without it and one with it. */
export interface Feature {
  readonly title: string;
  readonly off: "auth" | "open" | keyof typeof FEATURE_SERVERS;
  readonly on: "auth" | keyof typeof FEATURE_SERVERS;
}

/** Every feature. */
export const FEATURES: readonly Feature[] = [
  { title: "`/metrics` read every second", off: "auth", on: "f-metrics" },
  { title: "`ICE_SERVERS`, `TURN_SECRET`; each client asks for them", off: "auth", on: "f-ice" },
  {
    title: `${REVOCATIONS.toLocaleString("en")} revocations \\*\\*`,
    off: "f-host",
    on: "f-revocations",
  },
  { title: "`VERIFY_KEYS_JWK` with another key", off: "auth", on: "f-keys" },
  { title: "`CLOSE_EXPIRED`", off: "auth", on: "f-expired" },
  { title: "`onPeer` \\*\\*", off: "f-host", on: "f-on-peer" },
  { title: "`ADMIN_SECRET`, without auth", off: "open", on: "f-admin" },
  { title: "`INTERNAL_PORT`", off: "auth", on: "f-internal" },
  { title: "`OTEL_DENO`, nothing collects", off: "auth", on: "f-otel" },
  { title: "`LOG_LEVEL=info`, not `error`", off: "f-errors", on: "auth" },
  { title: "`REINTRODUCE_SECONDS`, not 0", off: "f-never", on: "auth" },
  { title: "`PLAYGROUND`", off: "auth", on: "f-playground" },
];
