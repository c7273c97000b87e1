/** Sessions on fake sockets, with a clock that stands still until a test moves it. */

import { assertEquals } from "@std/assert";
import {
  type Admission,
  type ConsumerVerdict,
  type Identity,
  recheckAdmission,
} from "../../src/access/admission.ts";
import type { Refresher } from "../../src/access/refresh.ts";
import { Revocations } from "../../src/access/revocations.ts";
import type { Connection } from "../../src/sessions/connection.ts";
import { Connections } from "../../src/sessions/connections.ts";
import { Deadlines } from "../../src/sessions/deadlines.ts";
import { createRooms } from "../../src/rooms/rooms.ts";
import type { CloseReason } from "../../src/protocol/messages.ts";
import type { IcePeer } from "../../src/ice/ice_options.ts";
import type { FoundIceServers } from "../../src/ice/ice_servers.ts";
import { IcePushes } from "../../src/sessions/ice_pushes.ts";
import { type Limits, resolveLimits } from "../../src/access/limits.ts";
import { RefusalLog } from "../../src/access/refusal_log.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import type { JoinResult } from "../../src/rooms/registry.ts";
import type { Peer } from "../../src/rooms/peer.ts";
import type { SessionContext } from "../../src/sessions/context.ts";
import { Refreshes } from "../../src/sessions/refreshes.ts";
import { Session } from "../../src/sessions/session.ts";
import { FakeClock } from "./clock.ts";
import { FakeSocket } from "./socket.ts";

/** The connection of a session, and its socket. */
export interface Opened {
  session: Connection;
  socket: FakeSocket;
}

/** Whom a consumer's token was issued to, `null` for nobody in particular, or why it is refused. */
export type FakeVerdict = string | CloseReason | null;

/** What stands in for the verification of consumer tokens. */
export type FakeAuthorizer = (
  token: string | undefined,
  room: string,
) => FakeVerdict | Promise<FakeVerdict>;

/** What a join is rejected with that fails. */
export const FAILED_JOIN = "The join failed";

/** Normal peers that a room accepts, and as many consumers. */
export const MAX_PEERS = 5;

export class SessionFixture {
  readonly clock = new FakeClock();
  readonly rooms = createRooms({
    clock: this.clock,
    maxPeersPerRoom: MAX_PEERS,
    maxConsumersPerRoom: MAX_PEERS,
    maxConsumersPerIdentity: MAX_PEERS - 1,
  });
  readonly registry = this.rooms.registry;
  readonly negotiations = this.rooms.negotiations;
  readonly director = this.rooms.director;
  readonly limits: Limits;
  readonly metrics = new Metrics();
  readonly connections: Connections;
  isClosing = false;
  /** Whether the URLs of clients that connect from now on name a room. */
  namesRoom = false;
  /** Whether the join of a connection waits until `answerJoin`, as it does with other instances. */
  isJoinSlow: (connection: Connection) => boolean = () => false;
  /** Finds the ICE servers of a peer, of which it has none unless a test says otherwise. */
  findIceServers: (peer: IcePeer) => Promise<FoundIceServers> = () =>
    Promise.reject(new Error("Nobody asks for ICE servers"));
  /** The connections whose join is under way. */
  readonly joins = new Map<Connection, (isAnswered: boolean) => void>();
  readonly errors: string[] = [];
  readonly revocations = new Revocations(this.clock);
  readonly refusals = new RefusalLog({ clock: this.clock, logger: silentLogger });
  /** What stands in for the check of new room tokens. */
  checkToken: Refresher = () => ({ kind: "refused", message: "told to" });

  readonly context: SessionContext;

  constructor(limits: Partial<Limits> = {}, consumers: FakeAuthorizer = () => null) {
    this.limits = resolveLimits({
      maxMessageBytes: 1000,
      maxPendingMessageBytes: 1000,
      maxSendBufferBytes: 100,
      ...limits,
    });
    this.connections = new Connections({
      clock: this.clock,
      checkMs: 0,
      tickMs: 0,
      limits: this.limits,
    });
    this.context = {
      registry: this.registry,
      join: (room, peer) => this.#join(room, peer),
      cancelJoin: (peer) => this.#cancelJoin(peer),
      director: this.director,
      authorizeConsumer: (token, room) => {
        const found = consumers(token, room);
        return found instanceof Promise ? found.then(toVerdict) : toVerdict(found);
      },
      refreshes: this.refreshes(),
      refusals: this.refusals,
      recheck: (admission) => recheckAdmission(admission, this.revocations),
      icePushes: new IcePushes({ clock: this.clock, find: (peer) => this.findIceServers(peer) }),
      connections: this.connections,
      deadlines: new Deadlines(this.clock),
      clock: this.clock,
      logger: {
        ...silentLogger,
        error: (message, fields) => this.errors.push(`${message}: ${fields?.["cause"]}`),
      },
      limits: this.limits,
      metrics: this.metrics,
      auth: "none",
      registerTimeoutMs: 10_000,
      idleTimeoutSeconds: 30,
      isClosing: () => this.isClosing,
    };
  }

  /** What closes sessions that have expired, with `checkToken` for new tokens. */
  refreshes(closeExpired = false): Refreshes {
    const check: Refresher = (...of) => this.checkToken(...of);
    const { clock, revocations, refusals, metrics } = this;
    return new Refreshes({ clock, check, revocations, refusals, closeExpired, metrics });
  }

  /** Answers the join of a connection, or lets it fail. */
  answerJoin(connection: Connection, isAnswered = true): void {
    const answer = this.joins.get(connection);
    this.joins.delete(connection);
    answer?.(isAnswered);
  }

  #join(room: string, peer: Peer): JoinResult | Promise<JoinResult> {
    if (!(peer instanceof Session) || !this.isJoinSlow(peer.connection)) {
      return this.registry.join(room, peer);
    }
    const { connection } = peer;
    if (this.joins.has(connection)) throw new Error("A peer joins once at a time");
    return new Promise((resolve, reject) => {
      this.joins.set(connection, (isAnswered) => {
        if (isAnswered) resolve(this.registry.join(room, peer));
        else reject(new Error(FAILED_JOIN));
      });
    });
  }

  #cancelJoin(peer: Peer): void {
    if (peer instanceof Session) this.joins.delete(peer.connection);
    for (const room of this.registry.all()) this.registry.leave(room, peer);
  }

  /** A session whose socket has just been upgraded. */
  start(socket: FakeSocket, admission: Admission | Promise<Admission>): Connection {
    const { connection } = new Session({
      socket,
      admission,
      namesRoom: this.namesRoom,
      context: this.context,
      address: undefined,
    });
    socket.owner = connection;
    this.connections.add(connection);
    return connection;
  }

  /** A session whose socket has opened. */
  open(nodeId: string, room = "room", canJoinAsNormal = true): Opened {
    return this.openAs({ room, nodeId, canJoinAsNormal });
  }

  /** The same for a client of this identity. */
  openAs(identity: Identity): Opened {
    const socket = new FakeSocket();
    const session = this.start(socket, { kind: "accepted", identity });
    session.handleEvent(new Event("open"));
    return { session, socket };
  }

  /** A session whose socket has opened while its token is still being verified. */
  verify(): {
    session: Connection;
    socket: FakeSocket;
    settle: (admission: Admission) => Promise<void>;
  } {
    const socket = new FakeSocket();
    const { promise, resolve } = Promise.withResolvers<Admission>();
    const session = this.start(socket, promise);
    session.handleEvent(new Event("open"));
    const settle = async (admission: Admission) => {
      resolve(admission);
      await promise;
    };
    return { session, socket, settle };
  }

  /** A session that has joined and read its peer list. */
  join(nodeId: string, room = "room"): Opened {
    const opened = this.open(nodeId, room);
    opened.session.receive('{"type":"register"}');
    assertEquals(opened.socket.sent.splice(0)[0]?.type, "peer-list");
    return opened;
  }
}

function toVerdict(found: FakeVerdict): ConsumerVerdict {
  return found === null || typeof found === "string"
    ? { kind: "accepted", identity: found ?? "" }
    : { kind: "rejected", close: found };
}
