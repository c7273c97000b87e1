/** The names of the options of a handler, so that one that is misspelt is refused. */

import type { SignalingHandlerOptions } from "./handler_options.ts";

/** Each option, so that a new one cannot be forgotten here. */
const NAMES: Readonly<Record<keyof SignalingHandlerOptions, true>> = {
  authEnabled: true,
  privateKeyJwk: true,
  publicKeyJwk: true,
  verifyKeysJwk: true,
  authorize: true,
  onPeer: true,
  consumerAuth: true,
  registerTimeoutMs: true,
  idleTimeoutSeconds: true,
  reintroduceSeconds: true,
  limits: true,
  allowedOrigins: true,
  iceServers: true,
  turn: true,
  iceTtl: true,
  trustedProxies: true,
  clockToleranceSeconds: true,
  maxTokenTtl: true,
  closeExpired: true,
  drainSeconds: true,
  backplane: true,
  path: true,
  logger: true,
  clock: true,
};

/** The names of the options of a handler. */
export const HANDLER_OPTIONS: readonly string[] = Object.keys(NAMES);

/** Options of a server that a handler ignores, so that both can be given the same ones. */
export const SHARED_OPTIONS: readonly string[] = ["port", "adminSecret"];
