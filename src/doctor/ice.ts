/** The ICE servers that the deployment names to a peer, and what each of them answers. */

import { checkIceList } from "../ice/ice_options.ts";
import type { IceServer } from "../ice/ice_url.ts";
import { probeIceServer } from "../ice/probe.ts";
import type { IceProbeResult } from "../ice/probe_result.ts";
import { explainCommon, readJson } from "./explain.ts";
import { type Found, StepFailure, StepSkipped } from "./report.ts";
import type { Credentials } from "./token.ts";
import type { Deployment } from "./deployment.ts";

/** Milliseconds for each server. */
const TIMEOUT_MS = 5000;

/** One URL of an ICE server, with its user. */
export interface IceProbe {
  readonly url: string;
  readonly username?: string;
  readonly credential?: string;
}

/** What the ICE servers are asked for with. */
export interface IceQuestion {
  readonly credentials: Credentials;
  /** What came over a WebSocket: a mounted library has no other way. */
  readonly received: unknown;
}

/** Asks for the ICE servers of a peer, as a client does. */
export async function askIceServers(
  deployment: Deployment,
  { credentials: { room, token }, received }: IceQuestion,
  signal: AbortSignal,
): Promise<Found<readonly IceProbe[]>> {
  const path = `/ice-servers?${new URLSearchParams({ room })}`;
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const answer = await deployment.ask(path, { headers }, signal);
  const { status, body, ms } = answer;
  const json = readJson(body);
  if (status !== 200 || json === undefined || !("iceServers" in json)) {
    if (received !== undefined) return readServers(received);
    const failure = explainCommon(answer);
    if (failure !== undefined) throw failure;
    if (status === 401 || status === 403) {
      throw new StepFailure(`/ice-servers got ${status}`, "Give a token that the server accepts");
    }
    throw new StepSkipped(
      `not known: /ice-servers got ${status}, and none came over the WebSocket`,
    );
  }
  return { ...readServers(json["iceServers"]), ms };
}

function readServers(value: unknown): Found<readonly IceProbe[]> {
  let servers: readonly IceServer[];
  try {
    servers = checkIceList(value);
  } catch (error) {
    throw new StepFailure(
      `browsers refuse the list: ${error instanceof Error ? error.message : ""}`,
      "Correct ICE_SERVERS, or what the host's function returns",
    );
  }
  const probes = servers.flatMap(({ urls, ...user }) =>
    [urls].flat().map((url) => ({ ...user, url }))
  );
  const turns = probes.filter(({ url }) => /^turns?:/i.test(url)).length;
  const found = { value: probes, seen: `${turns} of TURN, ${probes.length - turns} of STUN` };
  if (turns > 0) return found;
  return {
    value: probes,
    seen: probes.length === 0 ? "none" : found.seen,
    change: "Set TURN_URLS and TURN_SECRET: without TURN many pairs of networks do not connect; " +
      "right if the clients have ICE servers of their own",
  };
}

/** Asks all of them at once. */
export function probeAll(
  probes: readonly IceProbe[],
  caCerts: readonly string[],
): readonly Promise<IceProbeResult>[] {
  return probes.map((probe) => probeIceServer({ ...probe, timeoutMs: TIMEOUT_MS, caCerts }));
}

/** Says what a server's answer means. */
export function explainIce(result: IceProbeResult): Found<IceProbeResult> {
  switch (result.kind) {
    case "stun":
    case "turn":
      return { value: result, seen: result.message, ms: result.roundTripMs };
    case "no-permission":
    case "unsupported":
      throw new StepSkipped(result.message);
    default:
      throw new StepFailure(result.message, "See docs/turn.md of the package");
  }
}
