import { assertEquals } from "@std/assert";
import {
  createLogger,
  failureFields,
  type LogFormat,
  type LogLevel,
  neverThrowing,
} from "../../src/runtime/logger.ts";

function logged(level: LogLevel, format: LogFormat, fields?: Record<string, string>): string[] {
  const lines: string[] = [];
  const logger = createLogger({ level, format, write: (line) => lines.push(line), now: () => 0 });
  logger.debug("d", fields);
  logger.info("i", fields);
  logger.warn("w", fields);
  logger.error("e", fields);
  return lines;
}

Deno.test("createLogger() writes its level and all above it", () => {
  const all = ["00:00:00 DEBUG d", "00:00:00 INFO  i", "00:00:00 WARN  w", "00:00:00 ERROR e"];
  assertEquals(logged("debug", "pretty"), all);
  assertEquals(logged("warn", "pretty"), all.slice(2));
  assertEquals(logged("silent", "pretty"), []);
});

Deno.test("createLogger() writes JSON that reads back, a line each", () => {
  const [line = ""] = logged("error", "json", { nodeId: 'a\n"b"' });
  assertEquals(line.includes("\n"), false);
  assertEquals(JSON.parse(line), {
    time: "1970-01-01T00:00:00.000Z",
    level: "error",
    message: "e",
    nodeId: 'a\n"b"',
  });
});

Deno.test("createLogger() lets no value break a pretty line or draw on the terminal", () => {
  assertEquals(logged("error", "pretty", { nodeId: "a\nb\u001b[31m\u2028\u202e\u0085" }), [
    '00:00:00 ERROR e nodeId="a\\nb\\u001b[31m\\u{2028}\\u{202e}\\u{85}"',
  ]);
});

Deno.test("createLogger() escapes in JSON what a terminal or an editor takes for a control", () => {
  const nodeId = "\u007f\u0085\u009b31m\u200b\u202e\u2028\ufeff\u{e0001}é😀";
  const [line = ""] = logged("error", "json", { nodeId });
  assertEquals(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(line), false, line);
  assertEquals(JSON.parse(line).nodeId, nodeId);
  assertEquals(line.includes("é😀"), true, "what can be shown is shown");
});

Deno.test("createLogger() lets no message break a line", () => {
  for (const format of ["json", "pretty"] as const) {
    const lines: string[] = [];
    const logger = createLogger({ format, write: (line) => lines.push(line) });
    logger.info("a\nb\u009b31m");
    assertEquals(/\p{Cc}/u.test(lines.join("")), false, lines.join(""));
  }
});

Deno.test("neverThrowing() swallows what a logger throws", () => {
  const logger = neverThrowing(createLogger({
    write: () => {
      throw new Error("No space left on device");
    },
  }));
  logger.error("Something to say");
  logger.info("Something else", { port: 8080 });
});

Deno.test("neverThrowing() swallows what the promise of an asynchronous logger rejects with", async () => {
  const fail = () => Promise.reject(Object.create(null));
  const logger = neverThrowing({ debug: fail, info: fail, warn: fail, error: fail });
  for (const level of ["debug", "info", "warn", "error"] as const) logger[level]("Lost");
  await new Promise((resolve) => setTimeout(resolve));
});

Deno.test("failureFields() describes an error by its message and stack, anything else by its text", () => {
  const error = new TypeError("broken");
  assertEquals(failureFields(error), { cause: "TypeError: broken", stack: error.stack });
  assertEquals(failureFields("broken"), { cause: "broken", stack: undefined });
});

Deno.test("failureFields() describes what cannot be turned into a text", () => {
  const odd = [Object.create(null), { toString: () => ({}) }, Symbol("s"), undefined];
  for (const cause of odd) assertEquals(typeof failureFields(cause).cause, "string");
});

Deno.test("failureFields() shows no token", () => {
  const jwt = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJyIn0.c2ln-_";
  const error = new TypeError(
    `Invalid URL: 'http://h/signal?a=b&token=se.cr.et&room=r' "Bearer ${jwt}"`,
  );
  const { cause, stack } = failureFields(error);
  assertEquals(
    cause,
    "TypeError: Invalid URL: 'http://h/signal?a=b&token=[token]&room=r' \"Bearer [token]\"",
  );
  for (const secret of ["se.cr.et", jwt]) assertEquals(String(stack).includes(secret), false);
});
