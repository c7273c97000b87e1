/**
 * What can be wrong on the way to a peer, and with STUN and TURN servers, in words. When one of these
 * applies is decided in `path.ts`; what can be wrong with the server is in `problem.ts`.
 */

import type { Problem } from "./problem.ts";

/** What an ICE server has failed with: 701 if it does not answer, otherwise its own code (RFC 8656). */
export interface IceFailure {
  readonly url: string;
  readonly code: number;
  /** What the browser says; empty in Firefox. */
  readonly text: string;
}

const TURN_SETTINGS = "TURN_URLS and TURN_SECRET, or ICE_SERVERS";

/** What helps against an error of a TURN server, by its code. */
const TURN_ERRORS: ReadonlyMap<number, string> = new Map([
  [403, "It forbids this: look for allowed and denied users and addresses in its configuration."],
  [486, "A quota is used up: raise user-quota or total-quota of coturn, or close other pages."],
  [508, "No relay port is free: widen the range from min-port to max-port of coturn."],
]);

/** Every problem of a path. */
export const PATH_PROBLEMS = {
  turnRefused: ({ url, code, text }: IceFailure): Problem => ({
    id: "turn-refused",
    title: "The TURN server refuses the credentials",
    why: `${url} has answered ${code}${text === "" ? "" : ` (${text})`}.`,
    advice:
      "TURN_SECRET has to be the same text as static-auth-secret of coturn (use-auth-secret), and " +
      "the clocks of both machines have to agree. With ICE_SERVERS, check username and credential.",
  }),
  turnError: ({ url, code, text }: IceFailure): Problem => ({
    id: "turn-error",
    title: "The TURN server gives no relay",
    why: `It knows the credentials, but ${url} has answered ${code}${
      text === "" ? "" : ` (${text})`
    }.`,
    advice: TURN_ERRORS.get(code) ?? "The log of the TURN server says why.",
  }),
  turnSilent: ({ url }: IceFailure): Problem => ({
    id: "turn-silent",
    title: "The TURN server cannot be reached",
    why: `Nothing answers at ${url}.`,
    advice:
      "Check host, port and transport of the URL in TURN_URLS or ICE_SERVERS, that the server runs, " +
      "and that its firewall lets this port pass: 3478 for UDP and for TCP by default.",
  }),
  turnTls: ({ url }: IceFailure): Problem => ({
    id: "turn-tls",
    title: "No TLS connection to the TURN server",
    why:
      `The browser cannot connect to ${url}, or does not accept its certificate; it does not say ` +
      "which of the two.",
    advice:
      "The certificate (cert and pkey of coturn) has to be valid for the host in the URL, not " +
      "expired, and of an authority that browsers know. Check also that the server listens for TLS " +
      "on this port, and that its firewall lets the port pass: 5349 for TCP by default.",
  }),
  unresolved: ({ url }: IceFailure): Problem => ({
    id: "unresolved",
    title: "The name of a STUN or TURN server is unknown",
    why: `DNS has no address for the host of ${url}.`,
    advice: "Correct the host in TURN_URLS or ICE_SERVERS, or add it to the DNS.",
  }),
  noRelay: (urls: readonly string[]): Problem => ({
    id: "no-relay",
    title: "No TURN server gives a relay",
    why: `The browser has got none from ${urls.join(", ")}, and no error either.`,
    advice:
      `Most likely nothing answers there. Check ${TURN_SETTINGS}: host, port and transport, that the ` +
      "server runs, and that its firewall lets this port pass.",
  }),
  stunSilent: ({ url }: IceFailure): Problem => ({
    id: "stun-silent",
    title: "The STUN server does not answer",
    why: `Nothing answers at ${url}.`,
    advice:
      "Check host and port of the URL in ICE_SERVERS, that the server runs, and that the firewalls " +
      "on both sides let UDP pass.",
  }),
  relayWithoutTurn: (): Problem => ({
    id: "relay-without-turn",
    title: "There is no relay to use",
    why: "Relay only is chosen, and the server names no TURN server.",
    advice: `Set ${TURN_SETTINGS}, or clear Relay only.`,
  }),
  noCandidates: (): Problem => ({
    id: "no-candidates",
    title: "This browser has found no address of its own",
    why: "It gives no ICE candidate: it has no network, or an extension, a policy or a VPN keeps " +
      "WebRTC from using it.",
    advice: "Allow WebRTC in the browser and in its extensions, or try another browser.",
  }),
  slowGathering: (peer: string, urls: readonly string[]): Problem => ({
    id: "slow-gathering",
    title: `No path to ${peer} yet`,
    why: `The browser still waits for ${urls.join(", ") || "its network"}.`,
    advice:
      "Wait until STUN and TURN below says what is wrong with them. If nothing answers there, " +
      "check these servers in ICE_SERVERS and TURN_URLS.",
    isWarning: true,
    isPassing: true,
  }),
  noAnswer: (peer: string): Problem => ({
    id: "no-answer",
    title: `${peer} does not answer`,
    why: "It is in the room, but has not answered the offer.",
    advice:
      "Look at that page: a phone that is locked, or a tab in the background, may be asleep. The " +
      "server introduces the two again after a while.",
    isWarning: true,
  }),
  nothingFrom: (peer: string): Problem => ({
    id: "no-remote-candidates",
    title: `${peer} sends no address`,
    why: "It takes part, but no ICE candidate of it has arrived.",
    advice:
      "Look at that page: it says why its browser has none. Perhaps it may use relays alone and has none.",
  }),
  onlyHosts: (peer: string, areHidden: boolean): Problem => ({
    id: "only-host",
    title: `No path to ${peer}: both sides have local addresses alone`,
    why:
      "The server names no STUN and no TURN server, so two networks cannot find each other. In " +
      "one network, something keeps the two apart" +
      (areHidden
        ? ": perhaps multicast, which the .local names need that browsers hide addresses behind."
        : ", such as a firewall or a Wi-Fi for guests."),
    advice:
      'Set ICE_SERVERS, as in ICE_SERVERS=\'[{"urls":"stun:stun.example.com"}]\', and TURN_URLS with ' +
      "TURN_SECRET: a relay works between all networks, and within one.",
  }),
  noPublicAddress: (peer: string, urls: readonly string[]): Problem => ({
    id: "no-public-address",
    title: `No path to ${peer}: both sides have local addresses alone`,
    why: `${urls.join(", ")} gave neither side a public address.`,
    advice:
      "STUN and TURN below says whether these servers answer. If not, check host and port in " +
      "ICE_SERVERS, and that firewalls let UDP pass. If they do, set TURN_URLS and TURN_SECRET.",
  }),
  needsTurn: (peer: string): Problem => ({
    id: "needs-turn",
    title: `No path to ${peer}: this needs a TURN server`,
    why: "STUN has found public addresses, but the networks let nothing through between them.",
    advice: `Set ${TURN_SETTINGS}: docs/turn.md of the package says how to choose and run one.`,
  }),
  relayFails: (peer: string): Problem => ({
    id: "relay-fails",
    title: `No path to ${peer}, not even by the relay`,
    why: "A TURN server has given a relay, but nothing comes through it.",
    advice:
      "Check its relay ports in the firewall (min-port to max-port of coturn, UDP), external-ip behind " +
      "a NAT, and denied-peer-ip.",
  }),
} as const;
