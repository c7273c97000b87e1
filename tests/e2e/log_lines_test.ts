/**
 * The lines that `docs/operations.md` shows are those that a server writes: all that differs from run
 * to run (times, ids, addresses) is made the same on both sides.
 */

import { assert, assertEquals } from "@std/assert";
import { createLogger, createServer, generateKeyPairJwk, type ServerOptions } from "../../mod.ts";
import { Client, until } from "../helpers/client.ts";
import { ROOT } from "../helpers/command.ts";
import { exchange, handshake } from "../helpers/raw.ts";
import { ADMIN_SECRET, requestToken, signalUrl } from "../helpers/server.ts";
import { settableClock } from "../helpers/settable_clock.ts";

type Line = Record<string, unknown>;

/** A server that keeps what it logs. */
async function startLogging(config: ServerOptions = {}) {
  const lines: string[] = [];
  const { clock, forward } = settableClock();
  const server = await createServer({
    ...await generateKeyPairJwk(),
    adminSecret: ADMIN_SECRET,
    allowedOrigins: ["https://app.example.com"],
    clock,
    logger: createLogger({ level: "debug", format: "json", write: (line) => lines.push(line) }),
    ...config,
  });
  const { url, port } = await server.listen({ port: 0, host: "127.0.0.1" });
  const post = async (path: string, body: unknown, secret = ADMIN_SECRET) => {
    const response = await fetch(`${url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-admin-secret": secret },
      body: JSON.stringify(body),
    });
    return await response.json();
  };
  return {
    lines,
    url,
    port,
    forward,
    post,
    token: (subject: string, ttl?: string) => requestToken(url, ADMIN_SECRET, subject, ttl),
    signal: (query: Record<string, string>) => signalUrl(url, query),
    [Symbol.asyncDispose]: () => server.close({ drainMs: 0 }),
  };
}

/** What differs from run to run, by field. */
const VARYING = ["time", "connection", "address", "jti", "expiresAt"];

function normalized(line: string): Line {
  const parsed: Line = JSON.parse(line);
  for (const name of VARYING) if (Object.hasOwn(parsed, name)) parsed[name] = `some ${name}`;
  return parsed;
}

async function shownLines(): Promise<Line[]> {
  const page = await Deno.readTextFile(`${ROOT}docs/operations.md`);
  const blocks = [...page.matchAll(/^ *```jsonl\n([\s\S]*?)^ *```/gm)];
  return blocks.flatMap(([, block = ""]) => block.trim().split("\n")).map(normalized);
}

Deno.test("log: each line that docs/operations.md shows is one that a server writes", async () => {
  const shown = await shownLines();
  assert(shown.length >= 12, String(shown.length));
  const written: Line[] = [];
  {
    await using server = await startLogging();
    const todos = { room: "todos", nodeId: "ada" };
    // Tokens: one that expires, one that is revoked.
    const token = await server.token("todos");
    const { jti } = await server.post("/token", { ttl: "1h", subject: "todos" });
    await server.post("/revoke", { jti });
    const short = await server.token("todos", "1m");
    server.forward(60_000);
    const late = await Client.connect(server.signal({ ...todos, token: short }));
    await late.closed;
    const bearer = { authorization: `Bearer ${short}` };
    await (await fetch(`${server.url}/ice-servers`, { headers: bearer })).body?.cancel();
    // A page of another origin.
    const origin = "origin: https://evil.example";
    const target = "/signal?room=todos&nodeId=ada";
    await exchange(server.port, handshake(target, [origin]), /\r\n\r\n/);
    await server.post("/token", {}, "wrong");
    // Peers.
    await using ada = await Client.join(server.signal({ ...todos, token }), { refresh: true });
    await ada.next("token");
    ada.send({ type: "refresh", token: short });
    await ada.next("error");
    const grace = { room: "todos", nodeId: "grace", token };
    await (await Client.join(server.signal(grace))).close();
    await until("grace to leave", () => server.lines.some((line) => line.includes("lost")));
    await server.post("/admin/disconnect", { room: "todos", nodeId: "ada" });
    await ada.closed;
    written.push(...server.lines.map(normalized));
  }
  for (const line of shown) {
    const alike = written.filter(({ message }) => message === line["message"]);
    const isWritten = written.some((one) => JSON.stringify(one) === JSON.stringify(line));
    assert(
      isWritten,
      `${JSON.stringify(line)}\nis none of\n${alike.map((x) => JSON.stringify(x)).join("\n")}`,
    );
  }
  // No kind of line about clients, tokens or the operator is missing.
  const kinds = (lines: readonly Line[]) =>
    [...new Set(lines.map(({ level, message }) => `${level} ${message}`))].sort();
  const about = kinds(written.filter(({ message }) => message !== "Listening"));
  assertEquals(kinds(shown), about);
});

Deno.test("log: every line about a connection has its id, from its first to its last", async () => {
  await using server = await startLogging();
  const token = await server.token("todos");
  const ada = await Client.join(server.signal({ room: "todos", nodeId: "ada", token }));
  await ada.close();
  await until("the end", () => server.lines.some((line) => line.includes("Connection lost")));
  const lines = server.lines.map((line): Line => JSON.parse(line));
  const about = lines.filter(({ nodeId, level }) => nodeId === "ada" && level === "debug");
  assertEquals(about.map(({ message }) => message), [
    "Peer joined",
    "Peer left",
    "Connection lost",
  ]);
  assertEquals(new Set(about.map(({ connection }) => connection)).size, 1);
  assert(about.every(({ connection }) => /^[0-9a-f]{6}-[0-9a-z]+$/.test(String(connection))));
});

Deno.test("log: a name that is too long, and an endless origin, are not in it", async () => {
  await using server = await startLogging();
  const long = "x".repeat(3000);
  const token = await server.token("todos");
  for (const names of [{ room: long, nodeId: long }, { room: "todos", nodeId: long }]) {
    await (await Client.connect(server.signal({ ...names, token }))).closed;
  }
  const origin = `origin: https://${"y".repeat(2000)}.example`;
  await exchange(server.port, handshake(`/signal?room=${long}`, [origin]), /\r\n\r\n/);
  const refused = server.lines.filter((line) => line.includes("Connection refused"));
  assertEquals(refused.length, 3);
  for (const line of refused) assert(line.length < 600, line);
});
