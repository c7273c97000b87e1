/**
 * What the simulation assumes of clients and deployments, each with the range in which it may well lie.
 * What the server does is not assumed: its timers and sizes are imported, its costs are measured.
 */

/** A value with the range in which it may well lie. */
export interface Range {
  readonly low: number;
  readonly mid: number;
  readonly high: number;
}

/** What clients do; a visit is one page from opening to closing. */
export const BEHAVIOUR = {
  /** How long a visit lasts. */
  visitSeconds: { low: 300, mid: 600, high: 1200 },
  /** How long a connection lasts until it breaks and its client comes back, with its peers still known. */
  connectionSeconds: { low: 1800, mid: 3600, high: 7200 },
  /** Connected peers in a room: one that comes meets all others. */
  peersPerRoom: { low: 2, mid: 3, high: 5 },
  /** Messages of two peers that meet: an offer, an answer and candidates. */
  messagesPerMeeting: { low: 8, mid: 12, high: 20 },
} as const satisfies Record<string, Range>;

/** What clients do, as one number each. */
export type Behaviour = Readonly<Record<keyof typeof BEHAVIOUR, number>>;

/** The middle of each range. */
export function typicalBehaviour(): Behaviour {
  const { visitSeconds, connectionSeconds, peersPerRoom, messagesPerMeeting } = BEHAVIOUR;
  return {
    visitSeconds: visitSeconds.mid,
    connectionSeconds: connectionSeconds.mid,
    peersPerRoom: peersPerRoom.mid,
    messagesPerMeeting: messagesPerMeeting.mid,
  };
}

/** Peers on one instance; the number of instances follows. */
export const PEERS_PER_INSTANCE = 25_000;

/** Instances at least, so that one may fail. */
export const MIN_INSTANCES = 2;

/**
 * How client-db 2.1 comes back after a close, in milliseconds: after the first time with jitter, then
 * after twice the last, without. The client of this package spreads its attempts wider.
 */
export const COMEBACK = { firstMs: 1000, jitterMs: 300, maxMs: 30_000 } as const;

/** Bytes of what travels, without TCP, as `bench/million/traffic.ts` sends it. */
export const BYTES = { sdp: 600, candidate: 150, request: 700, response: 200, frame: 8 } as const;

/** Of the messages of two peers that meet, two have an SDP; all others are candidates. */
export const SDP_MESSAGES = 2;

/** The share of one core up to which a process is planned; what exceeds it waits. */
export const PLANNED_SHARE = 0.8;

/** Messages that come together where the costs of waking for them are measured. */
export const BURST = 6;
