/**
 * The address that the server sees, from `/admin/peers`: whether a proxy hides that of the client, and
 * whether a client can claim another.
 */

import { createAddressReader } from "../access/address.ts";
import { isObject } from "../protocol/messages.ts";
import { readJson } from "./explain.ts";
import { CLAIMED_ADDRESS, type Peers } from "./peers.ts";
import { type Found, StepFailure, StepSkipped } from "./report.ts";
import { isLoopback } from "./target.ts";
import type { Deployment } from "./deployment.ts";

const TRUST_PROXY =
  "Let the proxy set X-Forwarded-For to the client's address, and name the proxy in TRUSTED_PROXIES";

/** Addresses that no client in the internet has (RFC 1918, 3927, 4193, 4291, 6598). */
const PRIVATE =
  /^(10|127)\.|^169\.254\.|^192\.168\.|^172\.(1[6-9]|2\d|3[01])\.|^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|^f[cd]|^fe[89ab]|^0:0:0:0:/;

/** Whom to ask about whom. */
export interface AddressOptions {
  readonly adminSecret: string | undefined;
  /** Where `/admin/peers` is, without a slash at the end; below the deployment's path if absent. */
  readonly adminBase: string | undefined;
  readonly room: string;
  readonly peers: Peers;
  /** This machine as STUN servers see it. */
  readonly reflexive: readonly string[];
}

/** Compares the address that the server sees with what is known of this machine. */
export async function compareAddress(
  deployment: Deployment,
  options: AddressOptions,
  signal: AbortSignal,
): Promise<Found<true>> {
  const { peers: [first, second], reflexive } = options;
  const addresses = await askAddresses(deployment, options, signal);
  const seen = addresses.get(first.nodeId);
  if (seen === undefined) throw new StepSkipped("not known: /admin/peers does not say it");
  if (addresses.get(second.nodeId) === CLAIMED_ADDRESS) {
    throw new StepFailure(
      "the server believes an address that the client claimed in X-Forwarded-For",
      "Let the proxy overwrite X-Forwarded-For instead of passing it on, and name in " +
        "TRUSTED_PROXIES only proxies that do",
    );
  }
  const { localAddr, remoteAddr } = first.socket.conn;
  const local = hostnameOf(localAddr);
  if ([local, ...reflexive].map(asCounted).includes(seen)) {
    return { value: true, seen: `${seen}, which is this machine` };
  }
  const isPrivate = PRIVATE.test(seen);
  if (isPrivate && (isLoopback(local) || !PRIVATE.test(asCounted(hostnameOf(remoteAddr))))) {
    throw new StepFailure(`it sees ${seen}, which is not this machine: a proxy's`, TRUST_PROXY);
  }
  const isComparable = reflexive.some((address) => address.includes(":") === seen.includes(":"));
  if (!isPrivate && !isComparable) return { value: true, seen: `${seen}, behind NAT` };
  return {
    value: true,
    seen: `${seen}, and this machine is ${[local, ...reflexive].join(" or ")}`,
    change: `Right if there is NAT in between. Else: ${TRUST_PROXY}`,
  };
}

/** The addresses of the room's peers, by name. */
async function askAddresses(
  deployment: Deployment,
  { adminSecret, adminBase = "", room }: AddressOptions,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  if (adminSecret === undefined) {
    throw new StepSkipped("not known: asking /admin/peers needs the admin secret");
  }
  const path = `${adminBase}/admin/peers?${new URLSearchParams({ room })}`;
  const headers = { "x-admin-secret": adminSecret };
  const { status, body } = await deployment.ask(path, { headers }, signal);
  if (status !== 200) {
    throw new StepSkipped(
      `not known: /admin/peers got ${status}. Where it has a port of its own, use --admin-url`,
    );
  }
  const peers = readJson(body)?.["peers"];
  const entries: readonly unknown[] = Array.isArray(peers) ? peers : [];
  return new Map(
    entries.filter(isObject).flatMap(({ nodeId, address }) =>
      typeof nodeId === "string" && typeof address === "string" ? [[nodeId, address] as const] : []
    ),
  );
}

/** As the server counts an address: IPv6 by its first 64 bits. */
function asCounted(address: string): string {
  return createAddressReader([], () => {})(address, new Headers()) ?? address;
}

function hostnameOf(address: Deno.Addr): string {
  return "hostname" in address ? address.hostname : "";
}
