/** Whether WebSockets that only answer pings stay open for so many seconds: each peer waits for one. */

import { explainEnd } from "./explain.ts";
import type { Peer } from "./peers.ts";
import { type Found, StepFailure } from "./report.ts";
import { endWithin, type SocketEnd, SocketEnded } from "./socket.ts";

/** Milliseconds for the answer that shows that the socket still works. */
const ANSWER_MS = 5000;

/** The longest time between two pings of this server, in seconds. */
const PING_SECONDS = 15;

/** What became of an idle peer. */
export type IdleResult =
  | { readonly kind: "alive"; readonly pings: number }
  | { readonly kind: "silent" }
  | { readonly kind: "ended"; readonly end: SocketEnd; readonly seconds: number }
  | { readonly kind: "interrupted" };

/** Waits, without a message, and then asks for one. It never rejects. */
export async function watchIdle(
  { nodeId, socket, at }: Peer,
  seconds: number,
  signal: AbortSignal,
): Promise<IdleResult> {
  const ended = (end: SocketEnd): IdleResult => ({
    kind: "ended",
    end,
    seconds: (end.at - at) / 1000,
  });
  const end = await endWithin(socket.ended, seconds * 1000, signal);
  if (signal.aborted) return { kind: "interrupted" };
  if (end !== undefined) return ended(end);
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), ANSWER_MS);
  const to = `${nodeId}-nobody`;
  try {
    await socket.send({ type: "ice-candidate", to, candidate: null });
    await socket.next(
      (message) => message["type"] === "error" && message["to"] === to,
      AbortSignal.any([signal, timeout.signal]),
    );
    return { kind: "alive", pings: socket.pings };
  } catch (error) {
    if (error instanceof SocketEnded) return ended(error.end);
    return { kind: signal.aborted ? "interrupted" : "silent" };
  } finally {
    clearTimeout(timer);
  }
}

/** Says what it means. */
export function explainIdle(result: IdleResult, seconds: number): Found<true> {
  switch (result.kind) {
    case "alive":
      return {
        value: true,
        seen: `still open after ${seconds} s; pings of the server: ${result.pings}`,
      };
    case "interrupted":
      throw new Error("Interrupted");
    case "silent":
      throw new StepFailure(
        `after ${seconds} s it answers no more`,
        "Something on the way forgot the connection: raise the idle timeouts of proxies, " +
          "firewalls and load balancers above the time between pings",
      );
    case "ended":
      throw explainEarly(result.end, result.seconds);
  }
}

function explainEarly(end: SocketEnd, seconds: number): StepFailure {
  const after = `after ${seconds.toFixed(1)} s`;
  if (end.code === undefined) {
    return new StepFailure(
      `cut ${after}, without a close frame`,
      `Raise the idle timeout of whatever stands in front: the server pings every ${PING_SECONDS} ` +
        "s or more often, so 60 s are enough (nginx proxy_read_timeout, HAProxy timeout tunnel)",
    );
  }
  const { seen, change } = explainEnd(end);
  if (end.code !== 1001) return new StepFailure(`${seen} ${after}`, change);
  return new StepFailure(
    `${seen} ${after}`,
    "The server stops, or it gets no pongs: a proxy has to forward control frames, too",
  );
}
