/**
 * The probes: `/health`, `/livez` and `/readyz` have one body, and differ in when they are 503. What
 * the numbers are, and when they change, is not decided here.
 */

import type { HandlerParts } from "./handler_parts.ts";
import { json, NO_STORE, STATUS_CODE } from "./responses.ts";

/** What the probes depend on. */
export interface ProbesOptions {
  readonly endpoint: Pick<HandlerParts, "handler" | "connections">;
  /** Whether the server is shutting down. */
  readonly isDraining: () => boolean;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

type Probe = () => Response;

/**
 * The probes by path. A live server is not restarted for being full or for stopping, since all its
 * clients would come back at once; one that is not ready gets no new clients. A backplane that is down
 * counts for neither: it would make every instance unready at the same time.
 */
export function createProbes(options: ProbesOptions): ReadonlyMap<string, Probe> {
  const { endpoint: { connections } } = options;
  const readiness = () => connections.isOutOfDescriptors ? "out of descriptors" : "ok";
  return new Map<string, Probe>([
    ["/health", () => answer(options, condition(options))],
    ["/livez", () => answer(options, condition(options), STATUS_CODE.OK)],
    ["/readyz", () => {
      const status = condition(options);
      return answer(options, status === "ok" ? readiness() : status);
    }],
  ]);
}

function condition({ endpoint: { handler }, isDraining }: ProbesOptions): string {
  if (isDraining()) return "draining";
  return handler.stats().memory === "ok" ? "ok" : "overloaded";
}

function answer(
  { endpoint: { handler }, now }: ProbesOptions,
  status: string,
  code: number = status === "ok" ? STATUS_CODE.OK : STATUS_CODE.ServiceUnavailable,
): Response {
  const { auth, peers, rooms, backplane, backplaneShards } = handler.stats();
  return json(
    {
      status,
      auth,
      peers,
      rooms,
      ...(backplane === "none" ? {} : { backplane }),
      ...(backplaneShards.total > 1 ? { backplaneShards } : {}),
      ts: new Date(now()).toISOString(),
    },
    code,
    NO_STORE,
  );
}
