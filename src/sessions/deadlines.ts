/**
 * How long sessions wait for their clients: one queue and one timer for all of a handler, because most
 * clients register at once. What a session does when its time is over, it decides itself.
 */

import type { Clock } from "../runtime/clock.ts";
import { DueQueue } from "../runtime/due_queue.ts";

/**
 * How long a client may stay silent before it joins by itself, in milliseconds. Clients for
 * version 0.1 of the npm package never register, and their URLs name no room. Later ones name one and
 * register; a consumer does so only when its app has a token, and must not become a normal peer
 * meanwhile.
 */
export const SILENT_JOIN_MS = { urlWithoutRoom: 250, urlWithRoom: 5000 } as const;

/** A session that waits for its client. */
export interface WaitingSession {
  /** The time is over. */
  onDeadline(): void;
  readonly connection: {
    /** Closes the socket because of a failure of the server's own. */
    fail(cause: unknown): void;
  };
}

/** The sessions of one handler that wait, each for one thing. */
export class Deadlines {
  readonly #queue: DueQueue<WaitingSession>;

  constructor(clock: Clock) {
    this.#queue = new DueQueue({ clock, onDue: end });
  }

  /** Calls the session in `delayMs` milliseconds, instead of when it was to be before; 0 is never. */
  set(session: WaitingSession, delayMs: number): void {
    if (delayMs > 0) this.#queue.set(session, delayMs);
    else this.clear(session);
  }

  /** Does not call the session. */
  clear(session: WaitingSession): void {
    this.#queue.delete(session);
  }
}

/** A throw would end the process: none escapes. */
function end(session: WaitingSession): void {
  try {
    session.onDeadline();
  } catch (cause) {
    session.connection.fail(cause);
  }
}
