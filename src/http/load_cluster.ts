/** Loads what connects a handler with other instances, where it has a backplane, and not otherwise. */

import type { Shards, ShardsOptions } from "../cluster/shards.ts";
import type { ResolvedOptions } from "./resolve_options.ts";

/** What is loaded only where a backplane is given. */
export async function loadCluster(
  { backplanes, clock, logger, limits, registry, failures, metrics }:
    & ResolvedOptions
    & Required<Pick<ShardsOptions, "registry" | "failures" | "metrics">>,
): Promise<Shards | undefined> {
  if (backplanes.length === 0) return undefined;
  const { Shards } = await import("../cluster/shards.ts");
  return new Shards({ backplanes, registry, failures, clock, logger, limits, metrics });
}
