/**
 * The phases of a socket, and what each counts as. `Connections` alone moves a socket from one to
 * another; session.ts shows when.
 */

/**
 * `opening` since its upgrade, `pending` once open, `joined` a room; `refused` once it was told to
 * close before it joined, `closing` if after, or if its token was valid once; `neverOpened` if it did not open in time, `closed` for
 * good.
 */
export type Phase =
  | "opening"
  | "pending"
  | "joined"
  | "refused"
  | "closing"
  | "neverOpened"
  | "closed";

/** What a socket in some phase counts as. */
export interface PhaseTraits {
  /** Sockets that it counts for: 1 while it may use a file descriptor that can be had back. */
  readonly sockets: 0 | 1;
  /** Sockets without a peer that it counts for in the limit of its address. */
  readonly pending: 0 | 1;
  /** Whether it was told to close. */
  readonly isClosing: boolean;
  /** How long a socket may stay in the phase, in milliseconds; at most twice that passes. */
  readonly deadlineMs: number;
}

/** How long an upgraded socket may take to open, in milliseconds. */
const OPEN_TIMEOUT_MS = 2000;

/** How long a client may take to answer its close, in milliseconds. */
const CLOSE_ANSWER_TIMEOUT_MS = 5000;

/** Every phase. */
export const PHASES: Readonly<Record<Phase, PhaseTraits>> = {
  opening: { sockets: 1, pending: 1, isClosing: false, deadlineMs: OPEN_TIMEOUT_MS },
  pending: { sockets: 1, pending: 1, isClosing: false, deadlineMs: Infinity },
  joined: { sockets: 1, pending: 0, isClosing: false, deadlineMs: Infinity },
  refused: { sockets: 1, pending: 1, isClosing: true, deadlineMs: CLOSE_ANSWER_TIMEOUT_MS },
  closing: { sockets: 1, pending: 0, isClosing: true, deadlineMs: CLOSE_ANSWER_TIMEOUT_MS },
  neverOpened: { sockets: 0, pending: 0, isClosing: false, deadlineMs: Infinity },
  closed: { sockets: 0, pending: 0, isClosing: false, deadlineMs: Infinity },
};
