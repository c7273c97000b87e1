/**
 * Random schedules of issuing, joining, revoking, refreshing, expiring and restarting, on several
 * instances over a backplane that is slow, fails and forgets: once everything has arrived, nobody is
 * connected by a revoked token, and nobody else was closed for one.
 */

import { assert, assertEquals } from "@std/assert";
import { recheckAdmission } from "../../src/access/admission.ts";
import { FailureLimiter } from "../../src/access/failure_limiter.ts";
import type { TokenClaims } from "../../src/access/room_tokens.ts";
import { Cluster } from "../../src/cluster/cluster.ts";
import { createMemoryBackplane } from "../../src/cluster/memory_backplane.ts";
import { CLOSE } from "../../src/protocol/messages.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import type { Connection } from "../../src/sessions/connection.ts";
import { EXPIRED_CLOSE_MS } from "../../src/sessions/expiries.ts";
import { RevokeError, Revoker } from "../../src/sessions/revoker.ts";
import { NO_LIMITS } from "../helpers/backplane_conformance.ts";
import { settle } from "../helpers/cluster_fixture.ts";
import { Random } from "../helpers/random.ts";
import { SessionFixture } from "../helpers/session_fixture.ts";
import { SlowBackplane } from "../helpers/slow_backplane.ts";
import { FakeSocket } from "../helpers/socket.ts";

const SCHEDULES = 150;
const STEPS = 80;
const SUBJECTS = ["r", "s"];

interface Client {
  readonly instance: Instance;
  readonly connection: Connection;
  readonly socket: FakeSocket;
  readonly asks: boolean;
  /** The token that counts for it. */
  token: TokenClaims;
  /** Gives the verdict on the token that it came with. */
  readonly admit: () => void;
  /** Gives the verdict on a token that it has sent. */
  verdict: { readonly token: TokenClaims; readonly give: () => void } | undefined;
}

/** One server, whose verdicts and joins take as long as the schedule says. */
class Instance {
  readonly world = new SessionFixture();
  readonly backplane: SlowBackplane;
  readonly cluster: Cluster;
  readonly revoker: Revoker;

  constructor(memory: ReturnType<typeof createMemoryBackplane>, elapsedMs: number) {
    const { world } = this;
    world.clock.jump(elapsedMs);
    world.isJoinSlow = () => true;
    this.backplane = new SlowBackplane(memory);
    this.cluster = new Cluster({
      backplane: this.backplane,
      registry: world.registry,
      failures: new FailureLimiter(world.clock, Infinity),
      clock: world.clock,
      logger: silentLogger,
      limits: NO_LIMITS,
    });
    this.revoker = new Revoker({
      clock: world.clock,
      logger: silentLogger,
      connections: world.connections,
      revocations: world.revocations,
      maxTtlSeconds: undefined,
      share: (revocation) => this.cluster.revocations.share(revocation),
    });
    this.cluster.revocations.keepIn(this.revoker);
    this.cluster.start();
  }
}

class Schedule {
  readonly #random: Random;
  readonly #memory = createMemoryBackplane();
  readonly #instances: Instance[] = [];
  readonly #tokens: TokenClaims[] = [];
  /** The model: what is revoked by its id, and up to when by its subject. */
  readonly #revokedIds = new Set<string>();
  readonly #revokedUpTo = new Map<string, number>();
  readonly #clients: Client[] = [];
  /** What `revoke` has answered, or `undefined` while it has not. */
  readonly #revoking = new Set<Promise<unknown>>();
  #elapsedMs = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
    for (let n = 0; n < 3; n++) this.#instances.push(new Instance(this.#memory, 0));
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS; step++) {
      this.#act();
      await settle();
      if (this.#random.chance(0.1)) await this.#check();
    }
    await this.#check();
  }

  #act(): void {
    const random = this.#random;
    const client = this.#clients.length === 0 ? undefined : random.pick(this.#clients);
    const instance = random.pick(this.#instances);
    switch (random.int(12)) {
      case 0:
      case 1:
        return this.#mint();
      case 2:
      case 3:
      case 4:
        return this.#connect(instance);
      case 5:
        return client?.admit();
      case 6:
        if (client !== undefined) client.instance.world.answerJoin(client.connection);
        return;
      case 7:
        return this.#refresh(client);
      case 8:
        return client?.verdict?.give();
      case 9:
        return this.#revoke(instance);
      case 10:
        return instance.backplane.advance(random.int(3));
      default:
        return this.#disturb(instance);
    }
  }

  #mint(): void {
    const { clock } = this.#instances[0]?.world ?? new SessionFixture();
    const iat = Math.floor(clock.now() / 1000);
    this.#tokens.push({
      sub: this.#random.pick(SUBJECTS),
      iss: "i",
      aud: "a",
      exp: iat + this.#random.between(30, 2000),
      jti: String(this.#tokens.length),
      ...(this.#random.chance(0.9) ? { iat } : {}),
    });
  }

  #connect(instance: Instance): void {
    if (this.#tokens.length === 0) return;
    const token = this.#random.pick(this.#tokens);
    const socket = new FakeSocket();
    const { promise, resolve } = Promise.withResolvers<
      Parameters<typeof recheckAdmission>[0]
    >();
    const { sub: room } = token;
    const nodeId = `client ${this.#clients.length}`;
    const identity = { room, nodeId, canJoinAsNormal: true, token };
    // The verdict is that of now, and arrives later.
    const { revocations } = instance.world;
    const admission = recheckAdmission({ kind: "accepted", identity }, revocations);
    const connection = instance.world.start(socket, promise);
    connection.handleEvent(new Event("open"));
    const asks = this.#random.chance(0.5);
    connection.receive(JSON.stringify({ type: "register", refresh: asks }));
    this.#clients.push({
      instance,
      connection,
      socket,
      asks,
      token,
      admit: () => resolve(admission),
      verdict: undefined,
    });
  }

  #refresh(client: Client | undefined): void {
    if (client === undefined || client.verdict !== undefined) return;
    const others = this.#tokens.filter(({ sub }) => sub === client.token.sub);
    const token = this.#random.pick(others);
    const { world } = client.instance;
    const { promise, resolve } = Promise.withResolvers<void>();
    const isRevoked = world.revocations.has(token);
    world.checkToken = async (_, identity) => {
      await promise;
      client.verdict = undefined;
      if (isRevoked) return { kind: "refused", message: "revoked" };
      if (!world.revocations.has(token) && !isClosed(client)) client.token = token;
      return { kind: "accepted", identity: { ...identity, token } };
    };
    let isChecked = false;
    const check = world.checkToken;
    world.checkToken = (...of) => {
      isChecked = true;
      return check(...of);
    };
    client.connection.receive('{"type":"refresh","token":"t"}');
    if (isChecked) client.verdict = { token, give: resolve };
  }

  #revoke(instance: Instance): void {
    if (this.#tokens.length === 0) return;
    const { sub, jti = "" } = this.#random.pick(this.#tokens);
    const byId = this.#random.chance(0.7);
    const now = Math.floor(instance.world.clock.now() / 1000);
    if (byId) this.#revokedIds.add(jti);
    else this.#revokedUpTo.set(sub, now);
    const request = byId ? { jti } : { subject: sub, issuedBefore: "now" };
    const revoking = instance.revoker.revoke(request).catch((cause) => {
      assert(cause instanceof RevokeError);
      assertEquals(cause.code, "ERR_REVOCATION_NOT_SHARED");
    }).finally(() => this.#revoking.delete(revoking));
    this.#revoking.add(revoking);
  }

  #isRevoked({ jti = "", sub, iat = 0 }: TokenClaims): boolean {
    return this.#revokedIds.has(jti) || iat <= (this.#revokedUpTo.get(sub) ?? -1);
  }

  /** Lets the time pass, a backplane fail, or an instance be replaced by one that knows nothing. */
  #disturb(instance: Instance): void {
    const random = this.#random;
    if (random.chance(0.4)) return this.#tick(random.pick([500, 1000, 30_000]));
    if (random.chance(0.6)) {
      return random.chance(0.5) ? instance.backplane.fail() : instance.backplane.recover();
    }
    // What only it knows would be forgotten with it, as the docs say.
    if (instance.backplane.waiting > 0 || instance.backplane.instance === "") return;
    if (this.#revoking.size > 0) return;
    instance.cluster.close();
    this.#instances[this.#instances.indexOf(instance)] = new Instance(
      this.#memory,
      this.#elapsedMs,
    );
    for (const client of this.#clients.filter((one) => one.instance === instance)) {
      this.#clients.splice(this.#clients.indexOf(client), 1);
    }
  }

  #tick(ms: number): void {
    this.#elapsedMs += ms;
    for (const { world } of this.#instances) world.clock.tick(ms);
  }

  /** Lets everything arrive, and compares. */
  async #check(): Promise<void> {
    for (const { backplane } of this.#instances) backplane.recover();
    for (let quiet = 0; quiet < 3;) {
      let isQuiet = true;
      for (const { backplane } of this.#instances) {
        while (backplane.waiting > 0) {
          isQuiet = false;
          backplane.advance(0);
          await settle();
        }
      }
      await settle();
      quiet = isQuiet ? quiet + 1 : 0;
      if (isQuiet && this.#revoking.size > 0) this.#tick(4000); // What waits in vain.
    }
    for (const client of this.#clients) {
      client.admit();
      client.verdict?.give();
      await settle();
      client.instance.world.answerJoin(client.connection);
      await settle();
      const { socket, token, asks } = client;
      const now = client.instance.world.clock.now();
      const isOver = token.exp * 1000 + EXPIRED_CLOSE_MS <= now && asks;
      const codes = [CLOSE.revokedToken, CLOSE.tokenRevoked];
      const isClosedForIt = codes.some((reason) => reason === socket.closedWith);
      if (this.#isRevoked(token)) assert(isClosed(client), `${token.jti} is connected`);
      else assert(isOver || !isClosedForIt, `${token.jti} is closed`);
    }
    for (const { world } of this.#instances) {
      for (const token of this.#tokens) {
        assertEquals(world.revocations.has(token), this.#isRevoked(token), `token ${token.jti}`);
      }
    }
  }
}

function isClosed({ socket }: Client): boolean {
  return socket.closedWith !== undefined;
}

Deno.test("nobody is connected by a revoked token, and nobody is closed for another, whatever happens when", async () => {
  for (let seed = 0; seed < SCHEDULES; seed++) {
    try {
      await new Schedule(seed).run();
    } catch (cause) {
      throw new Error(`Seed ${seed}`, { cause });
    }
  }
});
