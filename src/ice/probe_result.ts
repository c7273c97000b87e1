/**
 * What asking an ICE server can give, and the sentences that say it to the operator: what happened and
 * what to change. They contain no user name, credential or text of the server. Asking is `probe.ts`.
 */

import type { IceUrl } from "./ice_url.ts";
import type { LinkFailure } from "./stun_link.ts";
import type { Endpoint } from "./stun_message.ts";

/** Why a server is of no use. */
export type IceProbeFailure =
  | LinkFailure
  | "invalid-url"
  | "no-credentials"
  | "no-answer"
  | "unsupported"
  | "unauthorized"
  | "forbidden"
  | "mismatch"
  | "quota"
  | "redirected"
  | "integrity"
  | "error";

/** What a server gave, each with a sentence for its operator. */
export type IceProbeResult =
  | {
    readonly kind: "stun";
    readonly message: string;
    /** This machine as the server sees it. */
    readonly reflexive: Endpoint;
    readonly roundTripMs: number;
  }
  | {
    readonly kind: "turn";
    readonly message: string;
    /** Where other peers would have reached us. */
    readonly relayed: Endpoint;
    readonly lifetimeSeconds: number;
    readonly roundTripMs: number;
  }
  | { readonly kind: IceProbeFailure; readonly message: string };

/** Says why there is no result. */
export class ProbeError extends Error {
  readonly kind: IceProbeFailure;

  constructor(kind: IceProbeFailure, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** The sentence about a server that was silent. */
export function noAnswer(url: IceUrl | undefined): string {
  const transport = url?.transport === "udp" ? "UDP" : "TCP";
  const port = `${transport} port ${url?.port}`;
  const isTls = url?.transport === "tls" ? `is ${port} its port for TLS, ` : "";
  return `No answer. Does the server run, ${isTls}and do its firewall and yours let ${port} through?`;
}

/** The result of a connection that failed. */
export function explain(kind: LinkFailure, detail: string): IceProbeResult {
  const messages: Readonly<Record<LinkFailure, string>> = {
    "no-permission": `Deno may not reach it: run with ${detail} in --allow-net`,
    "name-not-found": "Its name is not known to DNS: check the spelling",
    refused: "Nothing listens there: check the port, and whether the server runs with TCP",
    unreachable: "There is no route to it: check the network and the address",
    tls: `TLS failed: ${detail}`,
    closed:
      "It closed the connection without an answer: is this its port for TURN over TCP or TLS?",
    "not-stun": "It answered, but not as a STUN or TURN server does: check the host and the port",
  };
  return { kind, message: messages[kind] };
}

/** What an ERROR-CODE means for the operator (RFC 8489 section 14.8, RFC 8656 section 18.9). */
export function refusal(code: number): ProbeError {
  const known: Readonly<Record<number, readonly [IceProbeFailure, string]>> = {
    300: ["redirected", "It sends its clients to another server: name that one instead"],
    400: [
      "error",
      "It does not accept the request (400): does the user name have a space or quote?",
    ],
    401: [
      "unauthorized",
      "It refuses the credential (401): is it right, or the TURN_SECRET that made it, are both " +
      "clocks right, and has the user not expired?",
    ],
    403: ["forbidden", "It forbids this machine or this user to allocate (403)"],
    437: ["mismatch", "It already has an allocation for this port (437): try again in a minute"],
    441: ["unauthorized", "Its allocation belongs to another user (441): try again in a minute"],
    442: ["unsupported", "It does not relay over UDP (442): allow UDP relays there"],
    486: ["quota", "The quota is used up (486): raise user-quota or total-quota, or wait"],
    508: ["quota", "It has no port left to relay with (508): widen min-port to max-port"],
  };
  const [kind, message] = known[code] ?? ["error", `It refuses with the error ${code}`];
  return new ProbeError(kind, message);
}
