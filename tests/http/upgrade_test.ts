import { assert, assertEquals, assertMatch } from "@std/assert";
import type { AuthPolicy } from "../../src/access/admission.ts";
import { FailureLimiter } from "../../src/access/failure_limiter.ts";
import type { Limits } from "../../src/access/limits.ts";
import { createOriginCheck } from "../../src/access/origins.ts";
import { RefusalLog } from "../../src/access/refusal_log.ts";
import { createVerificationKeys } from "../../src/access/verification_keys.ts";
import { Revocations } from "../../src/access/revocations.ts";
import { TokenCache } from "../../src/access/token_cache.ts";
import { VerificationLimiter } from "../../src/access/verification_limiter.ts";
import { createUpgradeHandler, type Upgrade, type UpgradeHandler } from "../../src/http/upgrade.ts";
import { generateKeyPairJwk, issueToken, loadKeyPair, verifyToken } from "../../mod.ts";
import { CLOSE } from "../../src/protocol/messages.ts";
import { SessionFixture } from "../helpers/session_fixture.ts";
import { FakeSocket } from "../helpers/socket.ts";

const HERE = "192.0.2.1";

/** A socket whose events go to the connection that listens to it. */
class FakeWebSocket extends FakeSocket {
  readonly listeners = new Map<string, { handleEvent(event: Event): void }>();

  addEventListener(type: string, listener: { handleEvent(event: Event): void }): void {
    this.listeners.set(type, listener);
  }
}

interface Fixture {
  readonly sessions: SessionFixture;
  readonly failures: FailureLimiter;
  readonly memory: { isExceeded: boolean; start(): void };
  /** The subprotocols of the requests that were upgraded. */
  readonly upgraded: (string | undefined)[];
  readonly sockets: FakeWebSocket[];
  readonly handle: UpgradeHandler;
  /** Answers a request for `/signal` with this query, upgraded by a fake unless told otherwise. */
  ask(query?: string, headers?: Record<string, string>, upgrade?: Upgrade): Promise<Response>;
}

function fixtureOf(
  policy: AuthPolicy = { kind: "none" },
  limits: Partial<Limits> = {},
): Fixture {
  const sessions = new SessionFixture(limits);
  const { clock, context } = sessions;
  const failures = new FailureLimiter(clock, 1);
  const memory = { isExceeded: false, start() {} };
  const upgraded: (string | undefined)[] = [];
  const sockets: FakeWebSocket[] = [];
  const handle = createUpgradeHandler({
    context,
    policy,
    allowsConsumers: false,
    isAllowedOrigin: createOriginCheck(["https://app.example"]),
    addressOf: (remote) => remote,
    failures,
    refusals: new RefusalLog({ clock, logger: context.logger }),
    memory,
  });
  const fake: Upgrade = (protocol) => {
    upgraded.push(protocol);
    const socket = new FakeWebSocket();
    sockets.push(socket);
    return { socket, response: new Response("upgraded") } as unknown as Deno.WebSocketUpgrade;
  };
  return {
    sessions,
    failures,
    memory,
    upgraded,
    sockets,
    handle,
    ask: async (query = "", headers = {}, upgrade = fake) =>
      await handle(
        new Request(`http://h/signal?${query}`, {
          headers: { upgrade: "websocket", "sec-websocket-version": "13", ...headers },
        }),
        HERE,
        upgrade,
      ),
  };
}

async function tokenPolicy(): Promise<{ policy: AuthPolicy; token: string }> {
  const pair = await loadKeyPair((await generateKeyPairJwk()).privateKeyJwk);
  const keys = await createVerificationKeys(pair);
  const { clock } = new SessionFixture();
  const options = { clock };
  const { token } = await issueToken(pair.privateKey, { ttl: "1h", subject: "r" }, options);
  const limiter = new VerificationLimiter(new FailureLimiter(clock, 60));
  const cache = new TokenCache(clock);
  cache.add(token, await verifyToken(token, keys, options)); // No check goes on when a test ends.
  return {
    policy: {
      kind: "room token",
      keys,
      options,
      limiter,
      cache,
      revocations: new Revocations(clock),
    },
    token,
  };
}

Deno.test("createUpgradeHandler() upgrades a handshake, in the same turn, and starts a session", () => {
  const { handle, sessions, sockets } = fixtureOf();
  const headers = { upgrade: "WebSocket", "sec-websocket-version": "13" };
  const request = new Request("http://h/signal?room=r&nodeId=n", { headers });
  const response = handle(request, HERE, () => {
    const socket = new FakeWebSocket();
    sockets.push(socket);
    return { socket, response: new Response("upgraded") } as unknown as Deno.WebSocketUpgrade;
  });
  assert(response instanceof Response);
  assertEquals([...sockets[0]?.listeners.keys() ?? []], ["open", "message", "close"]);
  assertEquals(sessions.connections.pending, 1);
});

Deno.test("createUpgradeHandler() answers what is no handshake with 405 or 426", async () => {
  const { handle, upgraded } = fixtureOf();
  const statusOf = async (method: string, headers: Record<string, string>) => {
    const request = new Request("http://h/signal", { method, headers });
    const response = await handle(request, HERE, () => {
      throw new Error("Upgraded");
    });
    return response.status;
  };
  const good = { upgrade: "websocket", "sec-websocket-version": "13" };
  for (const method of ["POST", "DELETE"]) assertEquals(await statusOf(method, good), 405);
  assertEquals(await statusOf("HEAD", good), 426);
  assertEquals(await statusOf("GET", {}), 426);
  assertEquals(await statusOf("GET", { ...good, upgrade: "h2c" }), 426);
  assertEquals(await statusOf("GET", { ...good, "sec-websocket-version": "8" }), 426);
  assertEquals(upgraded, []);
});

Deno.test("createUpgradeHandler() rejects with a status and no upgrade while there is no place", async () => {
  const { sessions, memory, failures, upgraded, ask } = fixtureOf(
    { kind: "none" },
    { maxPendingConnectionsPerIp: 1 },
  );
  sessions.isClosing = true;
  assertEquals((await ask()).status, 503);
  sessions.isClosing = false;
  memory.isExceeded = true;
  assertEquals((await ask()).status, 503);
  memory.isExceeded = false;
  assertEquals((await ask("", { origin: "https://evil.example" })).status, 403);
  assertEquals((await ask("", { origin: "https://app.example" })).status, 200);
  const crowded = await ask();
  assertEquals([crowded.status, crowded.headers.get("retry-after")], [429, "5"]);
  failures.add(HERE);
  const lockedOut = await ask();
  assertEquals([lockedOut.status, lockedOut.headers.get("retry-after")], [429, "60"]);
  assertEquals(upgraded.length, 1);
});

Deno.test("createUpgradeHandler() looks for a token only where tokens are needed", async () => {
  const { policy, token } = await tokenPolicy();
  const twice = ["token=a&token=b", { authorization: "Bearer of-a-gateway" }] as const;
  const open = fixtureOf();
  assertEquals((await open.ask(...twice)).status, 200);
  const host = fixtureOf({
    kind: "host",
    authorize: () => null,
    timeoutMs: 1000,
    clock: open.sessions.clock,
  });
  assertEquals((await host.ask(...twice)).status, 200);
  const closed = fixtureOf(policy);
  assertEquals((await closed.ask(...twice)).status, 400);
  assertEquals((await closed.ask(`token=${token}`)).status, 200);
  const offer = { "sec-websocket-protocol": `client-db-sync, bearer.${token}` };
  assertEquals((await closed.ask("", offer)).status, 200);
  assertEquals(closed.upgraded, [undefined, "client-db-sync"]);
});

Deno.test("createUpgradeHandler() blames the client for a malformed handshake alone", async () => {
  const { sessions, ask } = fixtureOf();
  const fail = (cause: unknown): Upgrade => () => {
    throw cause;
  };
  assertEquals((await ask("", {}, fail(new TypeError("no key")))).status, 400);
  assertEquals(sessions.errors, []);
  for (let n = 0; n < 3; n++) {
    assertEquals((await ask("", {}, fail(new ReferenceError("Deno is not defined")))).status, 500);
  }
  assertEquals(sessions.errors.length, 1);
  assertMatch(sessions.errors[0] ?? "", /need Deno.*ReferenceError/);
  assertEquals((await ask("", {}, fail(new Error("something else")))).status, 500);
  assertMatch(sessions.errors[1] ?? "", /Upgrading a request failed: Error: something else/);
});

Deno.test("createUpgradeHandler() logs a failure of its own, and answers 500 instead of throwing", async () => {
  const { sessions, ask } = fixtureOf();
  sessions.connections.add = () => {
    throw new TypeError("a bug after the upgrade");
  };
  assertEquals((await ask()).status, 500);
  assertMatch(sessions.errors.join(), /A request for a socket failed: TypeError: a bug after/);
});

Deno.test("createUpgradeHandler() verifies before it upgrades where refused sockets stay open", async () => {
  const { policy, token } = await tokenPolicy();
  const { sessions, upgraded, ask } = fixtureOf(policy, { maxRefusedConnections: 1 });
  const refused = new FakeSocket();
  const connection = sessions.start(refused, { kind: "rejected", close: CLOSE.missingToken });
  refused.owner = connection;
  connection.handleEvent(new Event("open"));
  assert(sessions.connections.mustVerifyBeforeUpgrade);
  const statuses = [
    ["", CLOSE.missingToken.status],
    ["token=x", CLOSE.invalidToken.status],
    [`token=${token}&room=other`, CLOSE.wrongRoom.status],
    [`token=${token}&nodeId=${"n".repeat(129)}`, CLOSE.nodeIdTooLong.status],
  ] as const;
  for (const [query, status] of statuses) {
    const response = await ask(query);
    assertEquals(response.status, status, query);
    assertEquals(Object.keys(await response.json()), ["error"]);
  }
  assertEquals(upgraded, []);
  assertEquals((await ask(`token=${token}`)).status, 200);
  assertEquals(upgraded, [undefined]);
});
