/**
 * Loads what connects a handler with other instances, where it has a backplane, and not otherwise; and
 * gives it other backplanes.
 */

import type { Backplane } from "../cluster/backplane.ts";
import type { Shards, ShardsOptions } from "../cluster/shards.ts";
import { checkBackplanes } from "./resolve_backplanes.ts";
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

/** See `SignalingHandler.setBackplane`. */
export async function setBackplane(
  cluster: Shards | undefined,
  backplane: Backplane | readonly Backplane[],
): Promise<void> {
  if (cluster === undefined) throw new TypeError("The handler was created without a backplane");
  await cluster.set(checkBackplanes(backplane));
}
