/**
 * Why no path to a peer is found, or a TURN server gives none, by what both sides have found. It
 * measures nothing itself.
 */

import type { Problem } from "./problem.ts";

/** The kinds of ICE candidates (RFC 8839): an own address, a public one, one that a peer saw, a relay. */
export type CandidateKind = "host" | "srflx" | "prflx" | "relay";

/** How many candidates of each kind there are. */
export type CandidateCounts = ReadonlyMap<CandidateKind, number>;

/** What an ICE server has failed with: 701 if it does not answer, otherwise its own code (RFC 8656). */
export interface IceFailure {
  readonly url: string;
  readonly code: number;
  readonly text: string;
}

/** What is known of a connection that is not established. */
export interface PathFacts {
  /** The name of the other side. */
  readonly peer: string;
  /** Whether the other side has sent a description. */
  readonly isAnswered: boolean;
  readonly local: CandidateCounts;
  readonly remote: CandidateCounts;
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

const TURN_SETTINGS = "TURN_URLS and TURN_SECRET, or ICE_SERVERS";

/** Whether a URL is that of a TURN server. */
export function isTurn(url: string): boolean {
  return /^turns?:/i.test(url);
}

/** Why no path is found. */
export function explainPath(facts: PathFacts): Problem {
  const { peer, local, remote, urls, isRelayOnly } = facts;
  const hasTurn = urls.some(isTurn);
  // What this side lacks comes first: it helps nothing that the other one answers.
  if (local.size === 0) {
    const failure = isRelayOnly ? turnFailure(facts.failures) : undefined;
    if (failure !== undefined) return failure;
    if (facts.isGathering) return slowGathering(peer, urls);
    if (isRelayOnly) return hasTurn ? noRelay(urls) : relayWithoutTurn();
    return noCandidates();
  }
  if (!facts.isAnswered) return noAnswer(peer);
  if (remote.size === 0) return nothingFrom(peer);
  const hasRelay = local.has("relay") || remote.has("relay");
  const turn = hasRelay ? undefined : turnFailure(facts.failures);
  if (turn !== undefined) return turn;
  if (!hasRelay && !local.has("srflx") && !remote.has("srflx")) return onlyHosts(peer, urls);
  return hasRelay ? relayFails(peer) : needsTurn(peer, hasTurn);
}

/** What is wrong with a TURN server, if one of them has failed; a refusal says more than silence. */
export function turnFailure(failures: readonly IceFailure[]): Problem | undefined {
  const ofTurn = failures.filter(({ url }) => isTurn(url));
  const refused = ofTurn.find(({ code }) => code !== NO_ANSWER);
  if (refused !== undefined) return turnRefuses(refused);
  const [silent] = ofTurn;
  return silent && turnSilent(silent.url);
}

function turnRefuses({ url, code, text }: IceFailure): Problem {
  const what = text === "" ? String(code) : `${code} ${text}`;
  if (code === 401 || code === 431 || code === 441) {
    return {
      id: "turn-refused",
      title: "The TURN server refuses the credentials",
      why: `${url} has answered ${what}.`,
      advice:
        "TURN_SECRET has to be the same text as static-auth-secret of coturn (use-auth-secret), and " +
        "the clocks of both machines have to agree. With ICE_SERVERS, check username and credential.",
    };
  }
  return {
    id: "turn-error",
    title: "The TURN server gives no relay",
    why: `${url} has answered ${what}.`,
    advice:
      "486 means that a quota is used up, 508 that no port is free: see the log of the server.",
  };
}

function turnSilent(url: string): Problem {
  return {
    id: "turn-silent",
    title: "The TURN server does not answer",
    why: `Nothing answers at ${url}.`,
    advice:
      "Check host, port and transport of the URL, that the server runs, and that its firewall is " +
      "open: 3478 for UDP and TCP, 5349 for TLS, and the range of its relay ports for UDP.",
  };
}

/** The TURN servers have said nothing, and given nothing. */
export function noRelay(urls: readonly string[]): Problem {
  return {
    id: "turn-silent",
    title: "The TURN servers give no relay",
    why: `The browser has got none from ${urls.filter(isTurn).join(", ")}.`,
    advice: `Check ${TURN_SETTINGS}: address, port, credentials, and the firewall of the server.`,
  };
}

function relayWithoutTurn(): Problem {
  return {
    id: "no-candidates",
    title: "This browser has found no address of its own",
    why: "Relay only is chosen, and the server names no TURN server.",
    advice: `Set ${TURN_SETTINGS}, or clear Relay only.`,
  };
}

function noCandidates(): Problem {
  return {
    id: "no-candidates",
    title: "This browser has found no address of its own",
    why: "It gives no ICE candidate: it has no network, or an extension, a policy or a VPN keeps " +
      "WebRTC from using it.",
    advice: "Allow WebRTC in the browser and in its extensions, or try another browser.",
  };
}

function slowGathering(peer: string, urls: readonly string[]): Problem {
  return {
    id: "slow-gathering",
    title: `No path to ${peer} yet`,
    why: `The browser still waits for ${urls.join(", ") || "its network"}.`,
    advice: "Wait a few seconds. If it stays so, check these servers in ICE_SERVERS and TURN_URLS.",
    isWarning: true,
  };
}

function noAnswer(peer: string): Problem {
  return {
    id: "no-answer",
    title: `${peer} does not answer`,
    why: "It is in the room, but has not answered the offer.",
    advice:
      "Look at that page: a phone that is locked, or a tab in the background, may be asleep. The " +
      "server introduces the two again after a while.",
    isWarning: true,
  };
}

function nothingFrom(peer: string): Problem {
  return {
    id: "no-remote-candidates",
    title: `${peer} sends no address`,
    why: "It has answered, but no ICE candidate of it has arrived.",
    advice:
      "Look at that page: its browser may be kept from using WebRTC, or only allows relays and has none.",
  };
}

function onlyHosts(peer: string, urls: readonly string[]): Problem {
  return {
    id: "only-host",
    title: `No path to ${peer}: both sides have local addresses alone`,
    why: urls.length === 0
      ? "The server names no STUN and no TURN server, so that two networks cannot find each other."
      : `${urls.join(", ")} gave neither side a public address or a relay.`,
    advice: urls.length === 0
      ? 'Set ICE_SERVERS, as in ICE_SERVERS=\'[{"urls":"stun:stun.example.com"}]\', and TURN_URLS with ' +
        "TURN_SECRET for networks that need a relay. In one network, allow this device to reach the other."
      : "Check these servers: are host and port right, and does a firewall let UDP pass?",
  };
}

function needsTurn(peer: string, hasTurn: boolean): Problem {
  return {
    id: "needs-turn",
    title: `No path to ${peer}: this needs a TURN server`,
    why: "STUN has found public addresses, but the networks let nothing through between them.",
    advice: hasTurn
      ? `The TURN server gave no relay: check ${TURN_SETTINGS}.`
      : `Set ${TURN_SETTINGS}: docs/turn.md says how to choose and run one.`,
  };
}

function relayFails(peer: string): Problem {
  return {
    id: "relay-fails",
    title: `No path to ${peer}, not even by the relay`,
    why: "A TURN server has given a relay, but nothing comes through it.",
    advice:
      "Check its relay ports in the firewall (min-port to max-port of coturn), external-ip behind a " +
      "NAT, and denied-peer-ip.",
  };
}
