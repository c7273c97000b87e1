/** What the load generator is told to do, and what it answers. Both cross a process boundary as JSON. */

import type { Kind, ProtocolName } from "./protocols.ts";

/** Every kind of load. */
export type Load =
  | {
    /** Closed loop: each peer sends its next message when one arrives. */
    readonly kind: "relay";
    readonly message: Kind;
    readonly size: number;
    readonly rooms: number;
    readonly warmUpMs: number;
    readonly ms: number;
  }
  | {
    /** Open loop: message k is due at k / rate, and its latency counts from then. */
    readonly kind: "latency";
    readonly size: number;
    readonly rooms: number;
    readonly rate: number;
    readonly warmUpMs: number;
    readonly ms: number;
  }
  | {
    /** Connects and joins; then all leave and come again with the tokens that they had. */
    readonly kind: "join";
    readonly clients: number;
    readonly perRoom: number;
  }
  | {
    /** Peers that do nothing; all leave, and may come again and leave again. */
    readonly kind: "idle";
    readonly comeAgain: boolean;
    readonly clients: number;
    readonly perRoom: number;
    readonly settleMs: number;
  }
  | {
    /** Rooms of each of these sizes, each twice the last, as many of each as make so many joins. */
    readonly kind: "rooms";
    readonly sizes: readonly [number, number, number];
    readonly joins: number;
  };

/** One run of the generator. */
export interface Job {
  readonly load: Load;
  readonly port: number;
  /** Of the server. */
  readonly pid: number;
  readonly protocol: ProtocolName;
  /** Signs room tokens; without it clients have none. */
  readonly privateKeyJwk?: string;
}

/** What came of it. */
export interface Report {
  /** By the name of the measure. */
  readonly figures: Readonly<Record<string, number>>;
  /** Messages that were sent and have not arrived. */
  readonly lost: number;
  /** What went wrong, each with how often. */
  readonly problems: readonly string[];
  /** Why the figures are those of the generator rather than of the server, if they are. */
  readonly limit?: string;
}
