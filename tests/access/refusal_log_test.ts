/** What the log says about refused clients, and what is remembered. */

import { assertEquals } from "@std/assert";
import { RefusalLog } from "../../src/access/refusal_log.ts";
import type { LogFields } from "../../src/runtime/logger.ts";
import { FakeClock } from "../helpers/clock.ts";

const CLIENT = {
  room: "todos",
  nodeId: "ada",
  address: "192.0.2.1",
  code: 4003,
  reason: "invalid or expired token",
};

function setUp() {
  const clock = new FakeClock();
  const lines: [level: string, message: string, fields: LogFields | undefined][] = [];
  const write = (level: string) => (message: string, fields?: LogFields) =>
    void lines.push([level, message, fields]);
  const logger = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
  };
  const log = new RefusalLog({ clock, logger });
  return { clock, lines, log, levels: () => lines.splice(0).map(([level]) => level) };
}

Deno.test("refusal log: a refusal is a line at info with all of its fields", () => {
  const { lines, log } = setUp();
  const fields = { ...CLIENT, connection: "abc-1", cause: "The token has expired (exp)" };
  log.refused("Connection refused", fields);
  assertEquals(lines, [["info", "Connection refused", fields]]);
});

Deno.test("refusal log: an address gets five lines a minute at info, the others at debug", () => {
  const { clock, log, levels } = setUp();
  const refuse = (address: string) => log.refused("Connection refused", { ...CLIENT, address });
  for (let n = 0; n < 7; n++) refuse("192.0.2.1");
  refuse("192.0.2.2");
  assertEquals(levels(), [...Array(6).fill("info"), "debug", "debug", "info"]);
  clock.tick(60_000);
  refuse("192.0.2.1");
  assertEquals(levels(), ["info"]);
});

Deno.test("refusal log: after its five lines, a line says once that an address gets no more", () => {
  const { lines, log } = setUp();
  for (let n = 0; n < 9; n++) log.refused("Connection refused", CLIENT);
  const { address } = CLIENT;
  assertEquals(lines.filter(([, message]) => message !== "Connection refused"), [
    ["info", "More refusals of this address within this minute are not logged at info", {
      address,
    }],
  ]);
});

Deno.test("refusal log: so many addresses that they cannot be counted get no lines at info", () => {
  const { log, levels } = setUp();
  for (let n = 0; n < 1100; n++) {
    log.closed("Connection closed", { ...CLIENT, address: `2001:db8:0:${n}::/64` });
  }
  assertEquals(levels().filter((level) => level === "info").length, 1000);
});

Deno.test("refusal log: a request without a line is not even described", () => {
  const { lines, log } = setUp();
  let described = 0;
  const { address, code, reason } = CLIENT;
  for (let n = 0; n < 20; n++) {
    log.refusedRequest("Connection refused", { address, code, reason }, () => {
      described++;
      return { room: "todos", nodeId: "ada" };
    });
  }
  assertEquals([described, lines.length], [5, 6]);
  assertEquals(log.last.of("todos").map(({ nodeId }) => nodeId), ["ada"]);
});

Deno.test("refusal log: wrong admin secrets are warnings, with lines of their own", () => {
  const { lines, log, levels } = setUp();
  for (let n = 0; n < 6; n++) log.refused("Connection refused", CLIENT);
  for (let n = 0; n < 6; n++) log.refusedSecret(CLIENT.address, { path: "/token" });
  assertEquals(lines.map(([, , fields]) => fields?.["address"]), Array(13).fill(CLIENT.address));
  assertEquals(levels(), [...Array(6).fill("info"), "debug", ...Array(5).fill("warn"), "info"]);
});

Deno.test("refusal log: every refusal of a name is remembered, whether there is a line or not", () => {
  const { clock, log } = setUp();
  for (let n = 0; n < 20; n++) log.refused("Connection refused", { ...CLIENT, code: 4000 + n });
  log.refused("Connection refused", { ...CLIENT, room: undefined });
  log.closed("Connection closed", { ...CLIENT, nodeId: "grace" });
  assertEquals(log.last.of("todos"), [{ ...CLIENT, code: 4019, at: clock.now() }]);
});
