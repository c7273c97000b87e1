/**
 * What must hold for any environment and any limit: what is malformed is told without a secret, and
 * a limit lets through what it says and no more.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type Config, ConfigError, parseConfig } from "../../src/config/config.ts";
import { Connections } from "../../src/sessions/connections.ts";
import { generateKeyPairJwk } from "../../src/access/keys.ts";
import { DEFAULT_LIMITS, type Limits, resolveLimits } from "../../src/access/limits.ts";
import { isLongerThan, isOverBytes } from "../../src/protocol/messages.ts";
import { SETTINGS } from "../../src/config/settings.ts";
import { anyText } from "../helpers/arbitraries.ts";
import { FakeClock } from "../helpers/clock.ts";
import { property } from "../helpers/property.ts";
import { SessionFixture } from "../helpers/session_fixture.ts";

const { privateKeyJwk, publicKeyJwk } = await generateKeyPairJwk();

/** A text that no message has by chance. */
const secret = fc.tuple(
  fc.constantFrom(
    "s3cr3t",
    `${privateKeyJwk.slice(0, 60)}`,
    publicKeyJwk,
    btoa('{"kty":"OKP","crv":"Ed25519","d":"s3cr3t"}'),
  ),
  fc.string({ unit: "binary" }),
)
  .map((parts) => parts.join("#"));
const value = fc.oneof(
  anyText,
  fc.constantFrom(
    "true",
    "0",
    "-1",
    "99999999999",
    "json",
    "30d",
    "https://*.a.example",
    "10.0.0.0/8",
    "\n",
    "a\nb",
    "x\r\nPORT=1",
  ),
);
const environment = fc.tuple(
  fc.dictionary(fc.constantFrom(...SETTINGS.map(({ name }) => name)), value, {
    noNullPrototype: true,
  }),
  fc.record({
    PRIVATE_KEY_JWK: fc.oneof(secret, fc.constant(privateKeyJwk)),
    ADMIN_SECRET: fc.oneof(secret, fc.constant("s3cr3t".repeat(6))),
  }, { requiredKeys: [], noNullPrototype: true }),
).map(([others, secrets]) => ({ ...others, ...secrets }) as Record<string, string>);

property(
  "an environment gives a configuration, or a line for each setting and never a secret",
  environment,
  3000,
  (settings) => {
    let config: Config;
    try {
      config = parseConfig((name) => settings[name], "KEYGEN");
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      assert(error.problems.length > 0);
      assertEquals(error.message.split(/[\n\r]/), error.problems);
      for (const line of error.problems) {
        assert(SETTINGS.some(({ name }) => line.startsWith(`${name} `)), line);
        for (const name of ["PRIVATE_KEY_JWK", "ADMIN_SECRET"]) {
          const hidden = settings[name]?.trim() ?? "";
          assert(!hidden.includes("s3cr3t") && hidden.length < 60 || !line.includes(hidden), line);
        }
        assert(!line.includes("s3cr3t"), line);
      }
      return;
    }
    assert(config.port >= 0 && config.port < 65_536 && config.host !== "");
    assert(config.warnings.every((warning) => !warning.includes("s3cr3t")));
    assert(
      !config.auth.enabled || (config.auth.privateKeyJwk !== "" && config.auth.adminSecret !== ""),
    );
    for (const limit of Object.values(resolveLimits(config.limits))) assert(limit > 0);
  },
);

const limitNames = Object.keys(DEFAULT_LIMITS) as (keyof Limits)[];

property(
  "limits are whole numbers above 0 or a TypeError",
  fc.dictionary(
    fc.constantFrom(...limitNames),
    fc.oneof(fc.double(), fc.nat(), fc.anything(), fc.constantFrom(NaN, -1, 0, 5)),
  ),
  2000,
  (given) => {
    const values = Object.values(given).filter((each) => each !== undefined && each !== null);
    const isLimit = (each: unknown) =>
      Number.isInteger(each) && Number(each) >= 0 && Number(each) < 2 ** 31;
    if (!values.every(isLimit)) {
      return void assertThrows(() => resolveLimits(given as Partial<Limits>), TypeError);
    }
    const limits = resolveLimits(given as Partial<Limits>);
    for (const name of limitNames) {
      assertEquals(limits[name], (given[name] ?? DEFAULT_LIMITS[name]) || Infinity);
    }
  },
);

property(
  "lengths are counted in code points and bytes",
  fc.tuple(anyText, fc.nat(600)),
  3000,
  ([text, max]) => {
    assertEquals(isLongerThan(text, max), [...text].length > max);
    assertEquals(isOverBytes(text, max), new TextEncoder().encode(text).length > max);
  },
);

const BURST = 10;
const PER_SECOND = 4;

property(
  "a client may send its burst and its rate, and not one message more",
  fc.array(fc.tuple(fc.nat(3000), fc.nat(6)), { size: "+1" }),
  1000,
  (bursts) => {
    const world = new SessionFixture({ messageBurst: BURST, maxMessagesPerSecond: PER_SECOND });
    const { session, socket } = world.open("a");
    let allowance = BURST * 1000;
    for (const [pause, count] of bursts) {
      world.clock.tick(pause);
      allowance = Math.min(BURST * 1000, allowance + pause * PER_SECOND);
      for (let sent = 0; sent < count; sent++) {
        session.receive('{"type":"later"}');
        allowance -= 1000;
        assertEquals(socket.closedWith?.code, allowance < 0 ? 4429 : undefined);
        if (allowance < 0) return;
      }
    }
  },
);

property(
  "no more sockets are let in than may be, of one address and of all",
  fc.tuple(
    fc.nat(4),
    fc.nat(3),
    fc.nat(3),
    fc.array(fc.tuple(fc.constantFrom("x", "y"), fc.boolean())),
  ),
  2000,
  ([all, own, ownPending, arrivals]) => {
    const limits = resolveLimits({
      maxConnections: all,
      maxConnectionsPerIp: own,
      maxPendingConnectionsPerIp: ownPending,
    });
    const connections = new Connections({ clock: new FakeClock(), checkMs: 0, tickMs: 0, limits });
    const taken = new Map<string, { all: number; pending: number }>();
    let size = 0;
    for (const [from, joins] of arrivals) {
      const mine = taken.get(from) ?? { all: 0, pending: 0 };
      const fits = size < limits.maxConnections && mine.all < limits.maxConnectionsPerIp &&
        mine.pending < limits.maxPendingConnectionsPerIp;
      assertEquals(connections.exceededLimit(from) === undefined, fits);
      if (!fits) continue;
      const socket = {
        address: from,
        phase: "opening" as const,
        close() {},
        terminate() {},
        closeIfStalled() {},
        keepAlive() {},
        closesLast: false,
      };
      connections.add(socket);
      if (joins) connections.setPhase(socket, "joined");
      taken.set(from, { all: mine.all + 1, pending: mine.pending + Number(!joins) });
      size++;
    }
  },
);
