/**
 * Why no path to a peer is found, or a STUN or TURN server gives nothing, by what both sides have found.
 * It measures nothing itself; the sentences are in `path_problem.ts`.
 */

import { type IceFailure, PATH_PROBLEMS } from "./path_problem.ts";
import type { Problem } from "./problem.ts";

/** The kinds of ICE candidates (RFC 8839): an own address, a public one, one that a peer saw, a relay. */
export type CandidateKind = "host" | "srflx" | "prflx" | "relay";

/** How many candidates of each kind there are. */
export type CandidateCounts = ReadonlyMap<CandidateKind, number>;

/** What is known of a connection that is not established. */
export interface PathFacts {
  /** The name of the other side. */
  readonly peer: string;
  /** Whether the other side has sent a description. */
  readonly isAnswered: boolean;
  readonly local: CandidateCounts;
  readonly remote: CandidateCounts;
  /** Whether the other side has sent names instead of addresses (mDNS). */
  readonly areHidden: boolean;
  /** Whether the browser looks for further candidates of this side. */
  readonly isGathering: boolean;
  /** Whether relayed paths alone are allowed. */
  readonly isRelayOnly: boolean;
  /** The URLs of the ICE servers. */
  readonly urls: readonly string[];
  readonly failures: readonly IceFailure[];
}

/** The code with which browsers say that a server does not answer. */
export const NO_ANSWER = 701;

/** The codes of TURN that mean the credentials (RFC 8656, 441; RFC 8489, 401; RFC 5389, 431). */
const CREDENTIAL_CODES: readonly number[] = [401, 431, 441];

/** Whether a URL is that of a TURN server. */
export function isTurn(url: string): boolean {
  return /^turns?:/i.test(url);
}

/** Why no path is found. */
export function explainPath(facts: PathFacts): Problem {
  const { peer, local, remote, urls, isRelayOnly, areHidden } = facts;
  const turns = urls.filter(isTurn);
  // What this side lacks comes first: it helps nothing that the other one answers.
  if (local.size === 0) {
    const failure = isRelayOnly ? turnFailure(facts.failures, !facts.isGathering) : undefined;
    if (failure !== undefined) return failure;
    if (facts.isGathering) return PATH_PROBLEMS.slowGathering(peer, isRelayOnly ? turns : urls);
    if (!isRelayOnly) return PATH_PROBLEMS.noCandidates();
    return turns.length > 0 ? PATH_PROBLEMS.noRelay(turns) : PATH_PROBLEMS.relayWithoutTurn();
  }
  if (!facts.isAnswered) return PATH_PROBLEMS.noAnswer(peer);
  if (remote.size === 0) return PATH_PROBLEMS.nothingFrom(peer);
  if (local.has("relay") || remote.has("relay")) return PATH_PROBLEMS.relayFails(peer);
  const failure = turnFailure(facts.failures, !facts.isGathering);
  if (failure !== undefined) return failure;
  if (turns.length > 0) return PATH_PROBLEMS.noRelay(turns);
  if (local.has("srflx") || remote.has("srflx")) return PATH_PROBLEMS.needsTurn(peer);
  return urls.length > 0
    ? PATH_PROBLEMS.noPublicAddress(peer, urls)
    : PATH_PROBLEMS.onlyHosts(peer, areHidden);
}

/**
 * What is wrong with a TURN server, if one of them has failed; a refusal says more than silence.
 *
 * @param isComplete Whether there will be no further failure.
 */
export function turnFailure(
  failures: readonly IceFailure[],
  isComplete: boolean,
): Problem | undefined {
  const ofTurn = failures.filter(({ url }) => isTurn(url));
  const refused = ofTurn.find(({ code }) => code !== NO_ANSWER);
  if (refused !== undefined) {
    return CREDENTIAL_CODES.includes(refused.code)
      ? PATH_PROBLEMS.turnRefused(refused)
      : PATH_PROBLEMS.turnError(refused);
  }
  const [silent] = ofTurn;
  if (silent === undefined) return undefined;
  if (isComplete && isUnresolved(ofTurn)) return PATH_PROBLEMS.unresolved(silent);
  return /^turns:/i.test(silent.url)
    ? PATH_PROBLEMS.turnTls(silent)
    : PATH_PROBLEMS.turnSilent(silent);
}

/** What is wrong with a STUN server that gives no address. */
export function stunFailure(url: string, failures: readonly IceFailure[]): Problem {
  const failure = { url, code: NO_ANSWER, text: "" };
  return isUnresolved(failures)
    ? PATH_PROBLEMS.unresolved(failure)
    : PATH_PROBLEMS.stunSilent(failure);
}

/**
 * Whether DNS does not know the server. Chromium says so for UDP, once for each family of addresses, of
 * which one may be unknown and the other silent; elsewhere such a name is as silent as the server.
 */
function isUnresolved(failures: readonly IceFailure[]): boolean {
  return failures.length > 0 &&
    failures.every(({ code, text }) => code === NO_ANSWER && text.includes("lookup"));
}
