/**
 * Random schedules of two to four clients on a simulated web: whatever is awaited is slow, fails or is
 * overtaken, in any order. After each step the clients must be in order, and in the end connected.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { SignalingClient } from "../../src/client/mod.ts";
import { type FakeConnection, FakeWeb } from "../helpers/fake_web.ts";
import { property } from "../helpers/property.ts";
import { Random } from "../helpers/random.ts";

/** Schedules that are tried. */
const RUNS = 2000;

/** The close codes of a server after which a client comes back. */
const CODES = [1001, 1006, 1011, 1013, 4429];

/** What happens; each names one of the pages and has a number of its own. */
const EVENTS = [
  "socket",
  "server",
  "up",
  "path",
  "restart",
  "end",
  "list",
  "reload",
  "crash",
  "hide",
  "network",
  "fault",
  "token",
] as const;

interface Step {
  readonly event: typeof EVENTS[number];
  readonly who: number;
  readonly n: number;
  /** How much of what is under way happens after it. */
  readonly actions: number;
  /** How much time passes after that. */
  readonly ms: number;
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    event: fc.constantFrom(...EVENTS),
    who: fc.nat(3),
    n: fc.nat(99),
    actions: fc.nat(20),
    ms: fc.oneof(fc.constant(0), fc.nat(8000), fc.nat(40_000)),
  }),
  { maxLength: 40 },
);

const schedules = fc.record({
  seed: fc.nat(),
  normals: fc.integer({ min: 2, max: 3 }),
  hasConsumer: fc.boolean(),
  steps,
});

/** The pages of a schedule. */
class Pages implements Disposable {
  readonly #web: FakeWeb;
  readonly #random: Random;
  readonly #clients = new Map<string, SignalingClient>();
  /** The chance that something that is awaited is slow, and that it fails. */
  #faults = 0;
  #tokenFaults = 0;

  constructor(web: FakeWeb, random: Random, ids: readonly string[]) {
    this.#web = web;
    this.#random = random;
    for (const id of ids) this.#open(id);
    web.onOperation = () =>
      random.chance(this.#faults) ? undefined : random.chance(this.#faults) ? random.int(9000) : 0;
    web.onFrame = (socket, { type, to }) => {
      if (type === "register" || !random.chance(this.#faults / 2)) return false;
      web.send(socket, { type: "error", code: "PEER_BUSY", message: "", to });
      return true;
    };
  }

  do({ event, who, n }: Step): void {
    const web = this.#web;
    const ids = [...this.#clients.keys()];
    const id = ids[who % ids.length] ?? "";
    const client = this.#clients.get(id);
    const code = CODES[n % CODES.length] ?? 1006;
    if (event === "socket") web.members.get(id)?.end(code);
    else if (event === "server") web.crash(code);
    else if (event === "up") web.isUp = n < 70;
    else if (event === "path") this.#setPath(n < 70);
    else if (event === "restart") client?.peers.forEach((peer) => peer.restartIce());
    else if (event === "end") [...client?.peers.values() ?? []][n % 3]?.close();
    else if (event === "list") web.reintroduce();
    else if (event === "hide") {
      globalThis.dispatchEvent(new Event(n < 50 ? "pagehide" : "pageshow"));
    } else if (event === "network") globalThis.dispatchEvent(new Event("online"));
    else if (event === "fault") this.#faults = n < 50 ? 0 : n / 300;
    else if (event === "token") this.#tokenFaults = n < 50 ? 0 : n / 100;
    else {
      if (event === "crash") {
        for (const { connection } of client?.peers.values() ?? []) {
          (connection as unknown as FakeConnection).vanish();
        }
      }
      client?.close();
      this.#open(id);
    }
  }

  /** What must be true at any time. */
  check(): void {
    const clients = [...this.#clients.values()];
    const sockets = [...this.#web.sockets].map(({ nodeId }) => nodeId);
    assertEquals(new Set(sockets).size, sockets.length, "a client has two sockets");
    const peers = clients.flatMap(({ peers }) => [...peers.values()]);
    assertEquals(this.#web.connections.size, peers.length, "a connection has no peer");
    for (const { nodeId, state, peers } of clients) {
      assert(state !== "stopped", `${nodeId} has stopped`);
      assert(!peers.has(nodeId), `${nodeId} is its own peer`);
      assert(nodeId !== "eve" || peers.size <= 1, "the consumer has two servers");
    }
  }

  /** Ends what goes wrong, and lets time pass until everybody is connected. */
  async end(): Promise<void> {
    this.#faults = this.#tokenFaults = 0;
    this.#web.isUp = true;
    this.#setPath(true);
    globalThis.dispatchEvent(new Event("pageshow"));
    for (let round = 0; round < 24 && !this.#areConnected(); round++) {
      await this.#web.run(10_000, this.#random);
      this.check();
      if (round % 6 === 5) this.#web.reintroduce();
    }
    await this.#web.run(1000, this.#random);
    assert(this.#areConnected(), JSON.stringify(this.#connected()));
    this[Symbol.dispose]();
    await this.#web.run(50_000);
    const { sockets, connections, clock } = this.#web;
    assertEquals([sockets.size, connections.size, clock.pending], [0, 0, 0], "something is left");
  }

  /** A client that is not closed would get the events of the next page. */
  [Symbol.dispose](): void {
    for (const client of this.#clients.values()) client.close();
  }

  #open(nodeId: string): void {
    const role = nodeId === "eve" ? "consumer" : "normal";
    const getToken = () => this.#token();
    const client = new SignalingClient({ url: "ws://server", room: "r", nodeId, role, getToken });
    client.connect().catch(() => {});
    this.#clients.set(nodeId, client);
  }

  /** A token at once, late, or never; or an error. */
  #token(): string | Promise<string> {
    const random = this.#random;
    if (!random.chance(this.#tokenFaults)) return "token";
    return random.pick([
      () => Promise.reject(new Error("no token")),
      () => new Promise<string>(() => {}),
      () =>
        new Promise<string>((resolve) => {
          this.#web.clock.setTimeout(() => resolve("late"), random.int(40_000));
        }),
    ])();
  }

  #setPath(hasPath: boolean): void {
    this.#web.hasPath = hasPath;
    for (const connection of this.#web.connections) connection.check();
  }

  #connected(): Record<string, string[]> {
    const all = [...this.#clients].map(([id, { peers }]) => {
      const open = [...peers.values()].filter(({ channel, connection }) =>
        channel.readyState === "open" && connection.connectionState === "connected"
      );
      return [id, open.map(({ id }) => id).sort()];
    });
    return Object.fromEntries(all);
  }

  #areConnected(): boolean {
    const connected = this.#connected();
    const normals = [...this.#clients.keys()].filter((id) => id !== "eve").sort();
    return Object.entries(connected).every(([id, peers]) =>
      id === "eve"
        ? peers.length === 1
        : normals.every((other) => other === id || peers.includes(other))
    );
  }
}

property(
  "whatever is slow, fails or is overtaken, the clients are connected in the end",
  schedules,
  RUNS,
  async ({ seed, normals, hasConsumer, steps }) => {
    using web = new FakeWeb();
    const random = new Random(seed);
    const ids = ["a", "b", "c"].slice(0, normals);
    using pages = new Pages(web, random, hasConsumer ? [...ids, "eve"] : ids);
    for (const step of steps) {
      pages.do(step);
      for (let n = 0; n < step.actions; n++) await web.step(random);
      web.clock.tick(step.ms);
      pages.check();
    }
    await pages.end();
  },
);
