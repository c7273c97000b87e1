/** Loads what connects a handler with other instances, where it has a backplane, and not otherwise. */

import type { Cluster, ClusterOptions } from "../cluster/cluster.ts";
import type { SignalingHandlerOptions } from "./handler_options.ts";
import type { ResolvedOptions } from "./resolve_options.ts";

/** The cluster is loaded only where a backplane is given. */
export async function loadCluster(
  { backplane }: SignalingHandlerOptions,
  { clock, logger, limits, registry, failures, metrics }:
    & ResolvedOptions
    & Required<Pick<ClusterOptions, "registry" | "failures" | "metrics">>,
): Promise<Cluster | undefined> {
  if (backplane === undefined) return undefined;
  const { Cluster } = await import("../cluster/cluster.ts");
  return new Cluster({ backplane, registry, failures, clock, logger, limits, metrics });
}
