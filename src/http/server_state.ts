/**
 * What a handler has at the moment, in numbers: read from its parts when somebody asks, as `stats()`
 * and as metrics. It counts nothing itself.
 */

import metadata from "../../deno.json" with { type: "json" };
import type { Shards } from "../cluster/shards.ts";
import { familiesOf } from "../metrics/families.ts";
import type { Family } from "../metrics/family.ts";
import { exportMetrics } from "../metrics/telemetry.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { MemoryWatch } from "../runtime/memory_watch.ts";
import type { Negotiations } from "../rooms/negotiations.ts";
import type { SignalingRegistry } from "../rooms/registry.ts";
import type { Connections } from "../sessions/connections.ts";
import type { SignalingStats } from "./handler_options.ts";

/** The version of this package. */
export const VERSION: string = metadata.version;

/** The parts of a handler that know numbers. */
export interface CountedParts {
  readonly authEnabled: boolean;
  readonly metrics: Metrics;
  readonly registry: SignalingRegistry;
  readonly negotiations: Negotiations;
  readonly connections: Connections;
  readonly memory: Pick<MemoryWatch, "isExceeded">;
  readonly cluster: Pick<Shards, "corrections" | "counts"> | undefined;
  readonly revocations: { readonly size: number };
  readonly isClosing: () => boolean;
}

/** The numbers of a handler for its host. */
export function statsOf(parts: CountedParts): SignalingStats {
  const { authEnabled, registry, negotiations, connections, memory, cluster } = parts;
  return {
    auth: authEnabled ? "enabled" : "disabled",
    peers: registry.peers,
    rooms: registry.rooms,
    pending: connections.pending,
    closing: connections.closing,
    neverOpened: connections.neverOpened,
    memory: memory.isExceeded ? "exceeded" : "ok",
    ...backplaneOf(cluster),
    duplicateAnswers: negotiations.duplicateAnswers,
    reintroductions: negotiations.reintroductions,
  };
}

/** Every metric of a handler. */
export function metricsOf(parts: CountedParts): readonly Family[] {
  const { metrics, registry, negotiations, connections, memory, cluster, revocations, isClosing } =
    parts;
  const { pending, joined, closing, neverOpened } = connections;
  return familiesOf(metrics, {
    peers: registry.peersByRole(),
    rooms: registry.rooms,
    sockets: { pending, joined, closing },
    lostDescriptors: neverOpened,
    isDraining: isClosing(),
    isOverloaded: memory.isExceeded,
    waitingOffers: negotiations.waitingOffers,
    heals: negotiations.reintroductions,
    revocations: revocations.size,
    ...backplaneOf(cluster),
    version: VERSION,
  });
}

/** Exports them by OpenTelemetry where the runtime does that; returns what ends it. */
export function exportMetricsOf(parts: CountedParts): () => void {
  return exportMetrics(() => metricsOf(parts), VERSION);
}

function backplaneOf(
  cluster: CountedParts["cluster"],
): Pick<SignalingStats, "backplane" | "backplaneShards" | "backplaneCorrections"> {
  const backplaneShards = cluster?.counts ?? { up: 0, total: 0 };
  const { up, total } = backplaneShards;
  return {
    backplane: total === 0 ? "none" : up === total ? "up" : "down",
    backplaneShards,
    backplaneCorrections: cluster?.corrections ?? 0,
  };
}
