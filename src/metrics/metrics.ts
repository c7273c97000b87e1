/**
 * The numbers that one handler counts, as plain fields that the other parts change in place: counting
 * costs an addition, also on the path of a message. Every label is from a fixed set. What there is at
 * the moment (peers, rooms, sockets) is not counted here but read when somebody asks; names and texts
 * are in `families.ts`.
 */

import { CLOSE, type ParsedMessage, type Role, type SignalMessage } from "../protocol/messages.ts";
import { Histogram } from "./histogram.ts";

/** What became of a request for a socket. */
const UPGRADE_RESULTS = [
  "accepted",
  "address",
  "draining",
  "failed",
  "full",
  "limited",
  "malformed",
  "memory",
  "origin",
  "pending",
  "refused",
] as const;

/** What became of a request for a socket. */
export type UpgradeResult = typeof UPGRADE_RESULTS[number];

/** What became of a token or secret that a client has sent. */
const TOKEN_RESULTS = [
  "ok",
  "cached",
  "expired",
  "revoked",
  "unknown_key",
  "invalid",
  "limited",
  "failed",
] as const;

/** Tokens or secrets of one kind, by what became of them. */
export type TokenCounts = Record<typeof TOKEN_RESULTS[number], number>;

/** What became of a signal that a peer of this instance has sent. */
const SIGNAL_OUTCOMES = ["local", "remote", "not_found", "busy", "duplicate"] as const;

/** Signals, by type and by what became of them. */
export type SignalCounts = Record<
  SignalMessage["type"],
  Record<typeof SIGNAL_OUTCOMES[number], number>
>;

/** How a peer has come into its room. */
export type JoinWay = "register" | "silent" | "takeover";

/** What a peer showed in order to join. */
const AUTH_KINDS = ["none", "room_token", "host", "consumer_token"] as const;

/** What a peer showed in order to join. */
export type AuthKind = typeof AUTH_KINDS[number];

/** What is asked of a backplane. */
const BACKPLANE_OPERATIONS = [
  "join",
  "update",
  "leave",
  "send",
  "report",
  "audit",
  "auth_failed",
  "store_revocations",
  "load_revocations",
  "post",
] as const;

/** What is asked of a backplane. */
export type BackplaneOperation = typeof BACKPLANE_OPERATIONS[number];

/** Codes with which clients close a socket, 1005 and 1006 if they say none (RFC 6455, 7.4.1). */
const CLIENT_CODES = ["1000", "1001", "1005", "1006", "other"];

/** Upper bounds in seconds: of joining, and of the delay of a timer. */
const SHORT = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

/** Upper bounds in seconds for what two clients need for each other. */
const LONG = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Upper bounds in seconds for what the backplane needs to answer. */
const BACKPLANE = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2];

/** What one handler has counted since it was created. */
export class Metrics {
  /** Requests for a socket. */
  readonly upgrades = zeros(UPGRADE_RESULTS);
  /** Sockets that the server has closed, by code. */
  readonly closes: Record<number, number> = Object.fromEntries(
    Object.values(CLOSE).map(({ code }) => [code, 0]),
  );
  /** Sockets that clients have closed or lost, by code. */
  readonly clientCloses: Record<string, number> = zeros(CLIENT_CODES);
  /** Peers that have joined. */
  readonly joins: Record<Role, Record<JoinWay, number>> = {
    normal: zeros(["register", "silent", "takeover"]),
    consumer: zeros(["register", "silent", "takeover"]),
  };
  /** Seconds from upgrade to join, of peers that have registered, by what they have shown. */
  readonly joinSeconds: Record<AuthKind, Histogram> = {
    none: new Histogram(SHORT),
    room_token: new Histogram(SHORT),
    host: new Histogram(SHORT),
    consumer_token: new Histogram(SHORT),
  };
  /** Messages that were received, by type; binary ones are invalid. */
  readonly messages: Record<ParsedMessage["type"], number> = {
    register: 0,
    heartbeat: 0,
    refresh: 0,
    offer: 0,
    answer: 0,
    "ice-candidate": 0,
    unknown: 0,
    invalid: 0,
  };
  /** Signals of peers of this instance. */
  readonly signals: SignalCounts = {
    offer: zeros(SIGNAL_OUTCOMES),
    answer: zeros(SIGNAL_OUTCOMES),
    "ice-candidate": zeros(SIGNAL_OUTCOMES),
  };
  /** UTF-16 units of messages, which are bytes where all is ASCII. */
  receivedBytes = 0;
  /** The same of what was sent. */
  sentBytes = 0;
  /** Seconds from the last offer of a pair to its first answer. */
  readonly answerSeconds = new Histogram(LONG);
  /** Peer lists in turn. */
  rotationLists = 0;
  /** Server lists that were sent to consumers. */
  serverLists = 0;
  /** Room tokens that were presented. */
  readonly roomTokens = newTokenCounts();
  /** Consumer tokens that were presented. */
  readonly consumerTokens = newTokenCounts();
  /** New tokens of connected peers, by whether they were valid. */
  readonly refreshes = zeros(["accepted", "refused"]);
  /** Room tokens that were issued. */
  tokensIssued = 0;
  /** TURN credentials that were made. */
  iceCredentials = 0;
  /** Questions for ICE servers, by whether everything was found. */
  readonly iceAnswers = zeros(["complete", "incomplete"]);
  /** Requests to paths that need the admin secret, by path and then by status. */
  readonly adminRequests = new Map<string, Map<number, number>>();
  /** Lines that were given to the logger. */
  readonly logLines = zeros(["info", "warn", "error"]);
  /** How late a timer of a second was, in seconds. */
  readonly eventLoopLagSeconds = new Histogram(SHORT);
  /** What was asked of the backplane. */
  readonly backplaneCommands = zeros(BACKPLANE_OPERATIONS);
  /** What of that has failed. */
  readonly backplaneErrors = zeros(BACKPLANE_OPERATIONS);
  /** How long the backplane took to answer. */
  readonly backplaneSeconds = new Histogram(BACKPLANE);
  /** Times that a backplane that had been up before has come up. */
  backplaneReconnects = 0;
  /** Signals that have come from other instances, by what became of them. */
  readonly letters = zeros(["delivered", "duplicate", "busy", "not_found"]);
  /** Questions to other instances, by whether all have answered. */
  readonly asks = zeros(["complete", "partial"]);

  /**
   * Counts a message that was received. A look-up by a text that comes from outside would take longer
   * than all else that is counted on its path.
   */
  countMessage(type: ParsedMessage["type"]): void {
    switch (type) {
      case "ice-candidate":
        this.messages["ice-candidate"]++;
        break;
      case "offer":
        this.messages.offer++;
        break;
      case "answer":
        this.messages.answer++;
        break;
      default:
        this.messages[type]++;
    }
  }

  /** Counts an answer to a request with or without the admin secret. */
  countAdminRequest(path: string, status: number): void {
    let statuses = this.adminRequests.get(path);
    if (statuses === undefined) this.adminRequests.set(path, statuses = new Map());
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }

  /** Counts a socket that its client has closed or lost. */
  countClientClose(code: number): void {
    const label = String(code) in this.clientCloses ? String(code) : "other";
    this.clientCloses[label] = (this.clientCloses[label] ?? 0) + 1;
  }

  /** Counts a socket that the server closes. */
  countClose(code: number): void {
    this.closes[code] = (this.closes[code] ?? 0) + 1;
  }
}

/** The counts of signals of one type; see `countMessage` for why this is no look-up. */
export function countsOf(
  signals: SignalCounts,
  type: SignalMessage["type"],
): SignalCounts[SignalMessage["type"]] {
  if (type === "ice-candidate") return signals["ice-candidate"];
  return type === "offer" ? signals.offer : signals.answer;
}

/** Counts for tokens of one kind. */
export function newTokenCounts(): TokenCounts {
  return zeros(TOKEN_RESULTS);
}

/** An object with a 0 for each name. */
function zeros<const Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}
