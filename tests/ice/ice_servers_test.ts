import { assert, assertEquals } from "@std/assert";
import { HOOK_TIMEOUT_MS, MAX_HOOK_CALLS } from "../../src/ice/hook_caller.ts";
import { HOOK_PAUSE_MS } from "../../src/ice/hook_pause.ts";
import type { IceServersHook } from "../../src/ice/ice_options.ts";
import { type IceConfig, IceServers } from "../../src/ice/ice_servers.ts";
import type { IceServer } from "../../src/ice/ice_url.ts";
import type { Logger } from "../../src/runtime/logger.ts";
import { FakeClock } from "../helpers/clock.ts";

const ADA = { room: "todos", nodeId: "ada", role: "normal" } as const;
const STUN = { urls: "stun:stun.example.com" };
const TURN = { urls: "turn:turn.example.com", username: "u", credential: "c" };
const SHARED = { urls: ["turn:shared.example.com"], secret: "a-shared-secret" };

async function create(config: Partial<IceConfig>) {
  const clock = new FakeClock();
  const lines: string[] = [];
  const log: Logger["error"] = (message, fields) => lines.push(`${message}: ${fields?.["cause"]}`);
  const ice = await IceServers.create({
    iceServers: [],
    turn: undefined,
    ttlSeconds: 3600,
    ...config,
    clock,
    logger: { debug: log, info: log, warn: log, error: log },
  });
  return { clock, ice, lines };
}

/** Lets everything run that waits for no timer. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** A function that answers when the test says so. */
function createHook() {
  const calls: { peer: unknown; answer: (servers: readonly IceServer[]) => void }[] = [];
  const hook: IceServersHook = (peer) => new Promise((answer) => calls.push({ peer, answer }));
  return { calls, hook };
}

Deno.test("IceServers answers with an empty list where nothing is configured", async () => {
  const { ice, clock } = await create({});
  const { answer, isComplete } = await ice.find(ADA);
  const expiresAt = new Date(clock.now() + 3_600_000).toISOString();
  assertEquals(answer, { iceServers: [], ttl: 3600, expiresAt });
  assert(isComplete);
});

Deno.test("IceServers answers with the list of everybody first, then with the peer's credentials", async () => {
  const { ice, clock } = await create({ iceServers: [STUN], turn: SHARED });
  const { iceServers, expiresAt } = (await ice.find(ADA)).answer;
  assertEquals(iceServers.map(({ urls }) => urls), [STUN.urls, SHARED.urls]);
  const [, minted] = iceServers;
  const [expires] = minted?.username?.split(":") ?? [];
  assertEquals(Number(expires), clock.now() / 1000 + 3600);
  assertEquals(new Date(Number(expires) * 1000).toISOString(), expiresAt);
  const another = (await ice.find({ ...ADA, nodeId: "ben" })).answer.iceServers[1];
  assert(another?.username !== minted?.username);
});

Deno.test("IceServers asks the host's function who the peer is", async () => {
  const { calls, hook } = createHook();
  const { ice } = await create({ iceServers: hook, turn: SHARED });
  const found = ice.find({ ...ADA, role: "consumer" });
  await settle();
  assertEquals(calls[0]?.peer, { ...ADA, role: "consumer" });
  calls[0]?.answer([TURN]);
  const { answer, isComplete } = await found;
  assertEquals(answer.iceServers.map(({ urls }) => urls), [TURN.urls, SHARED.urls]);
  assertEquals([isComplete, answer.ttl], [true, 3600]);
});

Deno.test("IceServers answers without the host's function when that fails, for a minute", async () => {
  const failures: [IceServersHook, RegExp][] = [
    [() => Promise.reject(new Error("provider is down")), /^Finding .* provider is down$/],
    [() => {
      throw new Error("provider is down");
    }, /^Finding .* provider is down$/],
    [(() => undefined) as unknown as IceServersHook, /^Finding .* did not return an array$/],
    [(() => Promise.reject(Object.create(null))) as IceServersHook, /^Finding /],
  ];
  for (const [iceServers, line] of failures) {
    const { ice, clock, lines } = await create({ iceServers, turn: SHARED });
    for (let time = 0; time < 3; time++) {
      const { answer, isComplete } = await ice.find(ADA);
      assertEquals(answer.iceServers.map(({ urls }) => urls), [SHARED.urls]);
      const expiresAt = new Date(clock.now() + 60_000).toISOString();
      assertEquals([answer.ttl, answer.expiresAt, isComplete], [60, expiresAt, false]);
    }
    assertEquals(lines.length, 1); // Once a minute, not for each peer.
    assert(line.test(lines[0] ?? ""), lines[0]);
    clock.tick(60_000);
    await ice.find(ADA);
    assertEquals(lines.length, 2);
  }
});

Deno.test("IceServers waits for a function that never answers 3 s, however many peers ask", async () => {
  const { calls, hook } = createHook();
  const { ice, clock, lines } = await create({ iceServers: hook, turn: SHARED });
  const found = Array.from(
    { length: MAX_HOOK_CALLS * 3 },
    (_, index) => ice.find({ ...ADA, nodeId: `peer-${index}` }),
  );
  await settle();
  assertEquals(calls.length, MAX_HOOK_CALLS);
  clock.tick(HOOK_TIMEOUT_MS);
  for (const one of await Promise.all(found)) assertEquals(one.answer.iceServers.length, 1);
  assertEquals(calls.length, MAX_HOOK_CALLS); // Nobody waits for the others any more.
  assertEquals([lines.length, clock.pending], [1, 0]);
  // The calls that never end keep no later one from being made.
  clock.tick(HOOK_PAUSE_MS);
  const later = ice.find({ ...ADA, nodeId: "later" });
  await settle();
  calls.at(-1)?.answer([TURN]);
  assertEquals((await later).answer.iceServers.length, 2);
});

Deno.test("IceServers calls the function once for several questions about one peer, then again", async () => {
  const { calls, hook } = createHook();
  const { ice, clock } = await create({ iceServers: hook });
  const both = [ice.find(ADA), ice.find(ADA)];
  await settle();
  assertEquals(calls.length, 1);
  calls[0]?.answer([TURN]);
  await Promise.all(both);
  clock.tick(9999);
  await ice.find(ADA);
  assertEquals(calls.length, 1);
  clock.tick(1);
  const again = ice.find(ADA);
  await settle();
  assertEquals(calls.length, 2);
  calls[1]?.answer([]);
  assertEquals((await again).answer.iceServers, []);
});

Deno.test("IceServers sends nothing that a browser would refuse, and says so once", async () => {
  const bad = [
    { urls: "turn:turn.example.com" },
    { urls: "http://turn.example.com" },
    { urls: [] },
    null,
    "stun:stun.example.com",
    { urls: `stun:${"a".repeat(2000)}` },
    {
      get urls() {
        throw new Error("no");
      },
    },
  ];
  const iceServers = (() => [STUN, ...bad, { ...TURN, apiKey: "k" }]) as unknown as IceServersHook;
  const { ice, lines } = await create({ iceServers });
  const { answer, isComplete } = await ice.find(ADA);
  assertEquals([answer.iceServers, isComplete], [[STUN, TURN], true]);
  await ice.find({ ...ADA, nodeId: "ben" });
  assertEquals(lines.length, 1);
});

Deno.test("IceServers bounds what a function returns", async () => {
  const { ice, lines } = await create({ iceServers: () => Array(1000).fill(STUN) });
  assertEquals((await ice.find(ADA)).answer.iceServers.length, 16);
  assertEquals(lines.length, 1);
  const urls = Array(30).fill(STUN.urls);
  const many = await create({ iceServers: () => [{ urls }, { urls }, STUN] });
  assertEquals((await many.ice.find(ADA)).answer.iceServers, [{ urls }, STUN]);
});

Deno.test("IceServers lets nobody else wait for a function that did not answer, until it answers one", async () => {
  const { calls, hook } = createHook();
  const { ice, clock, lines } = await create({ iceServers: hook, turn: SHARED });
  const find = (nodeId: string) => ice.find({ ...ADA, nodeId });
  for (let time = 1; time <= 2; time++) {
    const waiting = find("ada"); // The first after a pause tries it; nobody waits with it.
    await settle();
    assertEquals(calls.length, time);
    clock.tick(HOOK_TIMEOUT_MS);
    assertEquals((await waiting).isComplete, false);
    const { answer, isComplete } = await find("ben");
    assertEquals([answer.iceServers.length, answer.ttl, isComplete], [1, 60, false]);
    clock.tick(HOOK_PAUSE_MS - 1);
    await find("ada");
    assertEquals([calls.length, lines.length], [time, 1]);
    clock.tick(1);
  }
  const trying = find("ada");
  await settle();
  assertEquals((await find("ben")).isComplete, false);
  calls.at(-1)?.answer([TURN]);
  assertEquals((await trying).isComplete, true);
  const later = find("ben");
  await settle();
  calls.at(-1)?.answer([TURN]);
  assertEquals([(await later).isComplete, calls.length, clock.pending], [true, 4, 0]);
});

Deno.test("IceServers goes on to ask a function that fails for one peer alone, slowly or at once", async () => {
  const { calls, hook } = createHook();
  const failing: IceServersHook = (peer) => peer.nodeId === "quick" ? Promise.reject() : hook(peer);
  const { ice, clock } = await create({ iceServers: failing });
  const slow = ice.find({ ...ADA, nodeId: "slow" });
  clock.tick(HOOK_TIMEOUT_MS - 1);
  const good = ice.find(ADA);
  await settle();
  calls.at(-1)?.answer([TURN]);
  assertEquals((await good).isComplete, true);
  clock.tick(1);
  assertEquals((await slow).isComplete, false);
  assertEquals((await ice.find({ ...ADA, nodeId: "quick" })).isComplete, false);
  const another = ice.find({ ...ADA, nodeId: "ben" });
  await settle();
  calls.at(-1)?.answer([TURN]);
  assertEquals((await another).isComplete, true);
});

Deno.test("IceServers pauses a function that fails after a long wait, too", async () => {
  let calls = 0;
  const { promise, reject } = Promise.withResolvers<never>();
  const { ice, clock } = await create({ iceServers: () => (calls++, promise) });
  const found = ice.find(ADA);
  await settle();
  clock.tick(2500);
  reject(new Error("the provider did not answer"));
  assertEquals((await found).isComplete, false);
  assertEquals([(await ice.find({ ...ADA, nodeId: "ben" })).isComplete, calls], [false, 1]);
});
