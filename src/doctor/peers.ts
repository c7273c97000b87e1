/**
 * Peers of the examination's own: they join a room, meet, and exchange messages as clients do. Their
 * names sort before those of others, so that the server never names them to peers that it reintroduces.
 */

import { explainEnd, explainHandshake } from "./explain.ts";
import { type Found, quote, StepFailure } from "./report.ts";
import { type RawSocket, SocketEnded } from "./socket.ts";
import type { Credentials } from "./token.ts";
import type { Deployment } from "./deployment.ts";

/** Candidates in each direction when two peers meet. */
const CANDIDATES = 5;

/** Messages that are sent at once to see their order. */
const BURST = 20;

/** Messages there and back whose time is measured. */
const ROUND_TRIPS = 10;

/** Milliseconds after which no further one is begun: over a slow network, fewer have to do. */
const MEASURE_MS = 3000;

/** An address for documentation (RFC 5737), which no client has. */
export const CLAIMED_ADDRESS = "192.0.2.1";

/** A peer that has joined. */
export interface Peer {
  readonly nodeId: string;
  readonly socket: RawSocket;
  /** The `peers` of its list. */
  readonly list: readonly string[];
  /** What the server has sent as its ICE servers, to the first peer alone; unchecked. */
  readonly iceServers: unknown;
  /** `performance.now()` when it had joined. */
  readonly at: number;
}

/** At least two peers. */
export type Peers = readonly [Peer, Peer, ...Peer[]];

/** How peers join. */
export interface JoinOptions {
  readonly credentials: Credentials;
  /** In their names. */
  readonly id: string;
  /** Whether one of them claims another address, as any client may. A server may log it. */
  readonly claimsAddress: boolean;
}

/** A name for a peer of this examination. */
export function peerName(id: string, index: number): string {
  return `!doctor-${id}-${index}`;
}

/** Lets peers join, one after the other. */
export async function joinAll(
  deployment: Deployment,
  { count, ...options }: JoinOptions & { readonly count: number },
  signal: AbortSignal,
): Promise<Found<Peers>> {
  const joinOne = (index: number) => join(deployment, { ...options, index }, signal);
  const start = performance.now();
  const [first, second] = [await joinOne(0), await joinOne(1)];
  const more: Peer[] = [];
  while (more.length + 2 < count) more.push(await joinOne(more.length + 2));
  const ms = (performance.now() - start) / count;
  const own = new Set([first, second, ...more].map(({ nodeId }) => nodeId));
  const others = first.list.filter((nodeId) => !own.has(nodeId)).length;
  const found = { value: [first, second, ...more] as const, ms };
  if (others === 0) return { ...found, seen: `${count} peers joined` };
  return {
    ...found,
    seen: `${count} peers joined, and ${others} others are in the room`,
    change: "Give a token for a room that nobody uses: who joins meanwhile offers to these peers",
  };
}

async function join(
  deployment: Deployment,
  { credentials, id, index, claimsAddress }: JoinOptions & { readonly index: number },
  signal: AbortSignal,
): Promise<Peer> {
  const nodeId = peerName(id, index);
  const query = { ...credentials, nodeId };
  const claims = claimsAddress && index === 1;
  const headers: Record<string, string> = claims ? { "X-Forwarded-For": CLAIMED_ADDRESS } : {};
  const result = await deployment.upgrade({ query, headers }, signal);
  if (result.kind !== "socket") throw explainHandshake(result, deployment.target);
  const { socket } = result;
  const register = { type: "register", nodeId, role: "normal", serveConsumers: false };
  await socket.send({ ...register, iceServers: index === 0 });
  let iceServers: unknown;
  try {
    const { peers } = await socket.next((message) => {
      if (message["type"] === "ice-servers") iceServers = message["iceServers"];
      return message["type"] === "peer-list";
    }, signal);
    const list = Array.isArray(peers) ? peers.map(String) : [];
    return { nodeId, socket, list, iceServers, at: performance.now() };
  } catch (error) {
    if (error instanceof SocketEnded) throw explainEnd(error.end);
    throw signal.aborted ? silent() : error;
  }
}

function silent(): StepFailure {
  return new StepFailure(
    "the WebSocket is open, but no peer-list came",
    "Something in front keeps messages back (buffering), or another WebSocket server answers there",
  );
}

/** Lets two peers exchange what opens a connection. */
export async function meet(
  [first, second, ...more]: Peers,
  signal: AbortSignal,
): Promise<Found<true>> {
  const all = [first, second, ...more];
  const parted = all.filter(({ list }, index) =>
    !all.slice(0, index).every(({ nodeId }) => list.includes(nodeId))
  );
  if (parted.length > 0) {
    throw new StepFailure(
      `${parted.length} of ${all.length} peers did not get all of the others in their lists`,
      "Set REDIS_URL on every instance: peers of different instances do not see each other",
    );
  }
  const start = performance.now();
  const exchange = async (from: Peer, to: Peer, type: "offer" | "answer") => {
    await relay(from, to, { type, sdp: { type, sdp: `v=0 ${crypto.randomUUID()}` } }, signal);
    for (let index = 0; index < CANDIDATES; index++) {
      await relay(
        from,
        to,
        { type: "ice-candidate", candidate: { candidate: `${index}` } },
        signal,
      );
    }
  };
  await exchange(second, first, "offer");
  await exchange(first, second, "answer");
  const ms = performance.now() - start;
  const seen = `an offer, an answer and ${2 * CANDIDATES} candidates arrived`;
  return { value: true, seen, ms };
}

/** Looks at the order of messages, and at how long they travel. */
export async function measureRelay(
  [first, second]: Peers,
  signal: AbortSignal,
): Promise<Found<true>> {
  const number = (index: number) => ({ type: "ice-candidate", candidate: { index } });
  for (let index = 0; index < BURST; index++) {
    await first.socket.send({ ...number(index), to: second.nodeId });
  }
  for (let index = 0; index < BURST; index++) {
    const message = await receive(first, second, signal);
    if (isSame(message["candidate"], { index })) continue;
    throw new StepFailure(
      `message ${index + 1} of ${BURST} was another one`,
      "Look for what stands between that is no plain proxy: order between two peers must be kept",
    );
  }
  const times: number[] = [];
  const stopAt = performance.now() + MEASURE_MS;
  for (let index = 0; index < ROUND_TRIPS && performance.now() < stopAt; index++) {
    const start = performance.now();
    await relay(first, second, number(BURST + index), signal);
    await relay(second, first, number(BURST + index), signal);
    times.push((performance.now() - start) / 2);
  }
  times.sort((one, other) => one - other);
  const [median = 0, most = 0] = [times[times.length >> 1], times.at(-1)];
  const seen = `${BURST} messages in order; from peer to peer ${median.toFixed(1)} ms ` +
    `(median of ${times.length}, at most ${most.toFixed(1)})`;
  return { value: true, seen, ms: median };
}

/** Sends a message and waits for it on the other side. */
async function relay(
  from: Peer,
  to: Peer,
  message: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<void> {
  await from.socket.send({ ...message, to: to.nodeId, from: from.nodeId });
  const relayed = await receive(from, to, signal);
  const { from: sender, fromRole, ...rest } = relayed;
  const expected = { ...message, to: to.nodeId };
  if (sender === from.nodeId && fromRole === "normal" && isSame(rest, expected)) return;
  throw new StepFailure(
    `the ${message["type"]} did not arrive as it was sent`,
    "Look for what changes messages on the way, or for another server at this URL",
  );
}

/** The next signal that arrives from a peer; fails when the sender is told why it does not. */
async function receive(from: Peer, to: Peer, signal: AbortSignal) {
  const finished = new AbortController();
  const either = AbortSignal.any([signal, finished.signal]);
  const refused = from.socket.next(({ type }) => type === "error", either).then((message) => {
    throw new StepFailure(
      `the server answered ${quote(String(message["code"]))}`,
      message["code"] === "PEER_NOT_FOUND"
        ? "The peer was connected: look for a restart, or for Redis in the log of the server"
        : "The log of the server may say more",
    );
  });
  try {
    const arrived = to.socket.next(
      ({ type, from: sender }) => type !== "peer-list" && sender === from.nodeId,
      either,
    );
    return await Promise.race([arrived, refused]);
  } catch (error) {
    if (error instanceof SocketEnded) throw explainEnd(error.end);
    throw error;
  } finally {
    finished.abort();
    await refused.catch(() => {});
  }
}

/** Whether two values are the same JSON, whatever the order of members. */
function isSame(one: unknown, other: unknown): boolean {
  return canonical(one) === canonical(other);
}

function canonical(value: unknown): string {
  return JSON.stringify(
    value,
    (_, part) =>
      part !== null && typeof part === "object" && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => a < b ? -1 : 1))
        : part,
  );
}
