/** Sessions on fake sockets, with a clock that stands still until a test moves it. */

import { assertEquals } from "@std/assert";
import type { Admission, ConsumerGate } from "../src/admission.ts";
import type { Connection } from "../src/connection.ts";
import { Connections } from "../src/connections.ts";
import { Director } from "../src/director.ts";
import { silentLogger } from "../src/logger.ts";
import { Negotiations } from "../src/negotiations.ts";
import { SignalingRegistry } from "../src/registry.ts";
import type { SessionContext } from "../src/context.ts";
import { Session } from "../src/session.ts";
import { FakeClock } from "./_clock.ts";
import { FakeSocket } from "./_socket.ts";

/** The connection of a session, and its socket. */
export interface Opened {
  session: Connection;
  socket: FakeSocket;
}

export class World {
  readonly clock = new FakeClock();
  readonly negotiations = new Negotiations(this.clock);
  readonly director = new Director(this.clock);
  readonly registry = new SignalingRegistry(
    this.negotiations,
    (room, peer) => this.director.changed(room, peer),
  );
  readonly connections = new Connections(this.clock, 0);
  isClosing = false;
  readonly errors: string[] = [];

  readonly context: SessionContext;

  constructor(consumers: ConsumerGate = () => null) {
    this.context = {
      registry: this.registry,
      director: this.director,
      consumers,
      connections: this.connections,
      clock: this.clock,
      logger: {
        ...silentLogger,
        error: (message, fields) => this.errors.push(`${message}: ${fields?.["cause"]}`),
      },
      limits: {
        maxMessageBytes: 1000,
        maxEarlyLength: 1500,
        maxSendBufferBytes: 100,
        registerTimeoutMs: 10_000,
      },
      isClosing: () => this.isClosing,
    };
  }

  /** A session whose socket has opened. */
  open(
    nodeId: string,
    room = "room",
    mayBeNormal = true,
  ): Opened {
    const socket = new FakeSocket();
    const identity = { room, nodeId, mayBeNormal };
    const { connection: session } = new Session(socket, { identity }, this.context);
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
    const { connection: session } = new Session(socket, promise, this.context);
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
