import { assertEquals, assertThrows } from "@std/assert";
import { resolveOptions } from "../../src/http/resolve_options.ts";
import type { SignalingHandlerOptions } from "../../src/http/handler_options.ts";
import { createMemoryBackplane } from "../../src/cluster/memory_backplane.ts";

const MEMORY = createMemoryBackplane().connect();

Deno.test("resolveOptions() fills in every default", () => {
  const { registerTimeoutMs, idleTimeoutSeconds, drainMs, clockToleranceSeconds, path } =
    resolveOptions({});
  assertEquals(
    [registerTimeoutMs, idleTimeoutSeconds, drainMs, clockToleranceSeconds, path],
    [10_000, 30, 3000, 60, "/signal"],
  );
});

Deno.test("resolveOptions() takes 0 and the greatest number that a timer can wait", () => {
  for (const registerTimeoutMs of [0, 2 ** 31 - 1]) resolveOptions({ registerTimeoutMs });
  for (const idleTimeoutSeconds of [0, 86_400]) resolveOptions({ idleTimeoutSeconds });
  for (const drainSeconds of [0, 3600]) resolveOptions({ drainSeconds });
  for (const path of [null, "/", "/rtc"]) resolveOptions({ path });
  resolveOptions({ limits: { messageBurst: 2 ** 31 - 1, maxMemoryMb: 0 } });
});

Deno.test("resolveOptions() accepts a secret of TURN servers with authentication alone", () => {
  const turn = { urls: ["turn:turn.example.com"], secret: "hush" };
  assertEquals(resolveOptions({ turn }).ice, { iceServers: [], turn, ttlSeconds: 86_400 });
  assertThrows(() => resolveOptions({ turn, authEnabled: false }), TypeError, "turn");
});

const NO_INTEGERS = [-1, 1.5, NaN, Infinity, 2 ** 31, "5", null];

Deno.test("resolveOptions() refuses what no environment can set, and names it", () => {
  const bad: Record<string, unknown[]> = {
    registerTimeoutMs: NO_INTEGERS,
    idleTimeoutSeconds: [...NO_INTEGERS, 5e6],
    drainSeconds: [...NO_INTEGERS, 3601],
    clockToleranceSeconds: [...NO_INTEGERS, 86_401],
    path: ["", "signal", "/signal?x", "/signal#x", 5, "/ü", "/sig nal", "/a/../b"],
    authEnabled: ["false", 0, null],
    closeExpired: ["true", 1, null],
    maxTokenTtl: ["", "soon", "0s", "-1h"],
    iceServers: [null, "stun:a.example", [{ urls: "turn:a.example" }], [{ urls: "http://a" }]],
    turn: [null, "x", { urls: ["turn:a"] }, { secret: "s" }, { urls: [], secret: "s" }, {
      urls: ["stun:a"],
      secret: "s",
    }, { urls: ["turn:a"], secret: "" }],
    iceTtl: ["", "soon", "0s", "-1h", "49h", 5, null],
  };
  for (const [name, values] of Object.entries(bad)) {
    for (const value of values) {
      const options = { [name]: value } as SignalingHandlerOptions;
      assertThrows(() => resolveOptions(options), TypeError, name);
    }
  }
});

Deno.test("resolveOptions() refuses limits that are not whole numbers, or that it does not know", () => {
  for (const value of NO_INTEGERS.filter((value) => value !== null)) {
    const limits = { messageBurst: value } as SignalingHandlerOptions["limits"] & object;
    assertThrows(() => resolveOptions({ limits }), TypeError, "messageBurst");
  }
  for (const name of ["maxPeersPerRom", "MAX_PEERS_PER_ROOM", "toString"]) {
    assertThrows(() => resolveOptions({ limits: { [name]: 5 } }), TypeError, name);
  }
});

Deno.test("resolveOptions() refuses parts that lack a method, and limits that are no object", () => {
  const wrong: Record<string, unknown[]> = {
    clock: [{}, 5, null],
    logger: [{}, "console", { debug() {}, info() {}, warn() {} }],
    backplane: [{}, 5, null, { start() {} }, [], [null], [MEMORY, 5], [MEMORY, MEMORY], [[MEMORY]]],
    authorize: [5, {}],
    limits: [[], 5, null],
    consumerAuth: [[], 5, null, "x"],
    allowedOrigins: [null, "https://a.example", [5]],
    trustedProxies: [null, "10.0.0.1", [5]],
  };
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      assertThrows(() => resolveOptions({ [name]: value }), TypeError, name);
    }
  }
});

Deno.test("resolveOptions() refuses a name that it does not know, and says which is meant", () => {
  const wrong: [unknown, string][] = [
    [{ authEnable: false }, 'There is no option "authEnable": is authEnabled meant?'],
    [{ limit: {} }, 'There is no option "limit": is limits meant?'],
    [{ colour: "red" }, 'There is no option "colour"'],
    [{ toString: 5 }, 'There is no option "toString"'],
    [{ limits: { maxPeerPerRoom: 5 } }, "of limits: is maxPeersPerRoom meant?"],
    [{ consumerAuth: { isuer: "x" } }, "of consumerAuth: is issuer meant?"],
    [{ turn: { urls: ["turn:a"], secret: "s", ttl: "1h" } }, 'There is no option "ttl" of turn'],
    [null, "must be an object"],
    ["x", "must be an object"],
  ];
  for (const [options, message] of wrong) {
    assertThrows(() => resolveOptions(options as SignalingHandlerOptions), TypeError, message);
  }
  const others: object = { unknown: undefined, port: 8080, adminSecret: "of a server" };
  resolveOptions(others);
});

Deno.test("resolveOptions() refuses an authorize() that nobody would call", () => {
  const authorize = () => null;
  assertThrows(() => resolveOptions({ authorize, authEnabled: false }), TypeError, "authorize");
});
