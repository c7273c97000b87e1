/**
 * `docs/protocol/openapi.yaml` describes what the server answers over HTTP. The servers of all other
 * tests check in passing that nothing else is answered; here each answer that it names is staged.
 */

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Validator } from "@seriousme/openapi-schema-validator";
import metadata from "../../deno.json" with { type: "json" };
import { createServer, generateKeyPairJwk, RevokeError, type ServerOptions } from "../../mod.ts";
import { createRedisBackplane } from "../../src/cluster/redis/backplane.ts";
import { revokeRoute } from "../../src/http/revoke_route.ts";
import { CLOSE } from "../../src/protocol/messages.ts";
import { checked } from "../helpers/checked.ts";
import { until } from "../helpers/client.ts";
import { ROOT } from "../helpers/command.ts";
import {
  assertAnswer,
  memberOf,
  membersOf,
  METHODS,
  OPENAPI,
  openapi,
  type Part,
  partAt,
} from "../helpers/openapi.ts";
import { freePort } from "../helpers/port.ts";
import { newProvider } from "../helpers/provider.ts";
import { exchange, handshake, openRaw } from "../helpers/raw.ts";
import { assertAt, readProtocol } from "../helpers/schemas.ts";
import { ADMIN_SECRET, startOpenServer, startServer, type TestServer } from "../helpers/server.ts";

const SECRET = { "x-admin-secret": ADMIN_SECRET };
const ORIGIN = "https://app.example.com";
const TURN = { urls: ["turn:turn.example.com"], secret: "a-secret-that-coturn-shares" };

/** An operation of the document, with every status that it names. */
interface Operation {
  readonly method: string;
  readonly path: string;
  readonly part: Part;
  readonly statuses: readonly string[];
}

function operations(): Operation[] {
  const paths = membersOf({ pointer: "", value: {} }, "paths");
  return paths.flatMap(([path, item]) =>
    METHODS.filter((method) => method in item.value).map((method): Operation => {
      const part = memberOf(item, method);
      assert(part !== undefined);
      const statuses = membersOf(part, "responses").map(([status]) => status);
      return { method: method.toUpperCase(), path, part, statuses };
    })
  );
}

/** Every part of the document below one, itself included. */
function* partsOf(part: Part): Generator<Part> {
  yield part;
  for (const [name, value] of Object.entries(part.value)) {
    if (typeof value !== "object" || value === null || "$ref" in value) continue;
    const member = memberOf(part, name);
    if (member !== undefined) yield* partsOf(member);
  }
}

/** The examples of a part that has a schema. */
function examplesOf({ value }: Part): unknown[] {
  const { example, examples = {} } = value;
  const named = Object.values(examples as Record<string, { value: unknown }>);
  return [...(example === undefined ? [] : [example]), ...named.map(({ value }) => value)];
}

Deno.test("openapi: the document is valid, and of this version", async () => {
  const validator = new Validator();
  await validator.addSpecRef(
    readProtocol("messages.schema.json") as Record<string, unknown>,
    "messages.schema.json",
  );
  const { valid, errors } = await validator.validate(openapi() as Record<string, unknown>);
  assert(valid, JSON.stringify(errors));
  assertEquals(partAt("/info")?.value["version"], metadata.version);
  const names = operations().map(({ part }) => part.value["operationId"]).filter(Boolean);
  assertEquals(new Set(names).size, names.length);
});

Deno.test("openapi: every example is valid, and every body of JSON has one", () => {
  const root = partAt("");
  assert(root !== undefined);
  let checkedExamples = 0;
  for (const part of partsOf(root)) {
    const { schema } = part.value;
    if (schema === undefined) continue;
    const examples = examplesOf(part);
    for (const example of examples) {
      assertAt(`${OPENAPI}#${part.pointer}/schema`, example);
      checkedExamples++;
    }
    const needsExample = part.pointer.includes("/content/application~1");
    assert(examples.length > 0 || !needsExample, part.pointer);
  }
  assert(checkedExamples > 60);
});

Deno.test("openapi: a refusal has the code of a close, or an HTTP status", () => {
  const codes = partAt("/components/schemas/Refusal/properties/code")?.value["enum"] as number[];
  const isClose = (code: number) => code >= 1000;
  const close = new Set(Object.values(CLOSE).map(({ code }) => code as number));
  assertEquals(new Set(codes.filter(isClose)), close);
});

/** What is sent where an answer needs it. */
interface Sent {
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly query?: string;
}

/** The query that the document has as the example of a path, and its room alone on other paths. */
function queryOf({ path }: Operation): string {
  if (!path.startsWith("/admin/")) return path === "/ice-servers" ? "?room=my-room" : "";
  const item = memberOf({ pointer: "/paths", value: {} }, path);
  const query = new URLSearchParams();
  for (const [, { value }] of item === undefined ? [] : membersOf(item, "parameters")) {
    query.set(String(value["name"]), String(value["example"]));
  }
  return query.size === 0 ? "" : `?${query}`;
}

/** The bodies that the document has as examples of a request. */
function bodiesOf({ part }: Operation): string[] {
  const content = memberOf(part, "requestBody", "content", "application/json");
  return content === undefined ? [] : examplesOf(content).map((body) => JSON.stringify(body));
}

/** Sends what the document has as an example, with what is given instead; the status. */
async function send(url: string, operation: Operation, sent: Sent = {}): Promise<number> {
  const { method, path } = operation;
  const [example] = bodiesOf(operation);
  const body = sent.body ?? example;
  const response = await fetch(`${url}${path}${sent.query ?? queryOf(operation)}`, {
    method,
    ...(body === undefined ? {} : { body }),
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...sent.headers,
    },
  });
  await response.body?.cancel();
  return response.status;
}

async function statusOf(port: number, request: string): Promise<number> {
  const answer = await exchange(port, request, /\r\n\r\n/);
  return Number(/^HTTP\/1\.1 (\d+) /.exec(answer)?.[1]);
}

/** A server that nobody listens to, asked directly. */
async function directly(
  operation: Operation,
  ask: (server: ReturnType<typeof checked>, request: Request) => Promise<Response>,
): Promise<number> {
  const keys = await generateKeyPairJwk();
  const server = checked(
    await createServer({
      adminSecret: ADMIN_SECRET,
      ...keys,
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    }),
  );
  const { method, path } = operation;
  const headers = { upgrade: "websocket", "sec-websocket-version": "13" };
  const response = await ask(
    server,
    new Request(`http://localhost${path}`, { method, ...(path === "/signal" ? { headers } : {}) }),
  );
  await server.close({ drainMs: 0 });
  return response.status;
}

/** The credentials that an operation wants. */
async function credentials({ path }: Operation, server: TestServer) {
  return path !== "/ice-servers"
    ? SECRET
    : { authorization: `Bearer ${await server.token("my-room")}`, origin: ORIGIN };
}

type Stage = (operation: Operation) => Promise<number>;

async function succeed(operation: Operation): Promise<number> {
  await using server = await startServer({ turn: TURN, playground: true });
  const headers = await credentials(operation, server);
  const statuses = new Set<number>();
  for (const body of [undefined, ...bodiesOf(operation).slice(1)]) {
    const sent = body === undefined ? {} : { body: withTimes(body) };
    statuses.add(await send(server.url, operation, { headers, ...sent }));
  }
  assertEquals(statuses.size, 1);
  return [...statuses][0] ?? 0;
}

/** The times of an example moved to where the server accepts them. */
function withTimes(body: string): string {
  const { issuedBefore, expiresAt, ...rest } = JSON.parse(body);
  const now = Date.now();
  return JSON.stringify({
    ...rest,
    ...(issuedBefore === undefined ? {} : { issuedBefore: new Date(now).toISOString() }),
    ...(expiresAt === undefined ? {} : { expiresAt: new Date(now + 86_400_000).toISOString() }),
  });
}

/** Opens sockets that are refused and stay, until the next ones are refused without a socket. */
async function withRefusedSockets(ask: (server: TestServer) => Promise<number>): Promise<number> {
  await using server = await startServer({ limits: { maxRefusedConnections: 1 } });
  using _refused = await openRaw(server.port, "/signal");
  await until("refusals to need no socket", () => server.stats().closing === 1);
  return await ask(server);
}

/** One wrong secret or token is one too many for its address. */
async function overload(operation: Operation): Promise<number> {
  await using server = await startServer({ limits: { maxFailedAuthPerMinute: 1 } });
  const { path } = operation;
  const ice: Operation = { ...operation, method: "GET", path: "/ice-servers" };
  if (path === "/ice-servers" || path === "/signal") {
    assertEquals(await send(server.url, ice, { headers: { authorization: "Bearer a.b.c" } }), 401);
  } else assertEquals(await send(server.url, operation), 401);
  if (path === "/signal") return await statusOf(server.port, handshake(path));
  return await send(server.url, operation, { headers: await credentials(operation, server) });
}

async function beUnavailable(operation: Operation): Promise<number> {
  switch (operation.path) {
    case "/ice-servers": {
      const jwksUrl = `http://127.0.0.1:${freePort()}/`;
      await using server = await startServer({ consumerAuth: { jwksUrl } });
      const token = await (await newProvider()).token({ iss: "https://idp.example.com" });
      return await send(server.url, operation, { headers: { authorization: `Bearer ${token}` } });
    }
    case "/revoke": {
      const backplane = createRedisBackplane({ url: `redis://127.0.0.1:${freePort()}` });
      await using server = await startServer({ backplane });
      return await send(server.url, operation, { headers: SECRET });
    }
    default:
      return await directly(operation, async (server, request) => {
        await server.close({ drainMs: 0 });
        return await server.fetch(request);
      });
  }
}

/** How each status is caused, whatever the operation. */
const STAGES: Readonly<Record<string, Stage>> = {
  "101": async ({ path }) => {
    await using server = await startOpenServer();
    const offer = ["Sec-WebSocket-Protocol: client-db-sync"];
    return await statusOf(server.port, handshake(path, offer));
  },
  "200": succeed,
  "201": succeed,
  "204": succeed,
  "304": async (operation) => {
    await using server = await startServer();
    const { headers } = await fetch(`${server.url}${operation.path}`, { method: "HEAD" });
    const etag = headers.get("etag") ?? "";
    return await send(server.url, operation, { headers: { "if-none-match": etag } });
  },
  "400": async ({ method, path }) => {
    await using server = await startServer();
    return await statusOf(server.port, `${method} ${path} HTTP/1.1\r\nHost: [\r\n\r\n`);
  },
  "401": async (operation) => {
    if (operation.path === "/signal") {
      const { path } = operation;
      return await withRefusedSockets((server) => statusOf(server.port, handshake(path)));
    }
    await using server = await startServer();
    return await send(server.url, operation);
  },
  "403": async (operation) => {
    await using server = await startServer({ allowedOrigins: [ORIGIN] });
    const origin = "https://other.example.com";
    return operation.path === "/signal"
      ? await statusOf(server.port, handshake(operation.path, [`Origin: ${origin}`]))
      : await send(server.url, operation, { headers: { origin } });
  },
  "404": async (operation) => {
    const isPage = partAt(operation.part.pointer)?.value["tags"]?.toString() === "page";
    const options: ServerOptions = isPage ? {} : { authEnabled: false, adminSecret: "" };
    await using server = await startServer(options);
    return await send(server.url, operation, { headers: SECRET });
  },
  "413": async (operation) => {
    await using server = await startServer();
    const body = JSON.stringify("x".repeat(16_384));
    return await send(server.url, operation, { headers: SECRET, body });
  },
  "415": async (operation) => {
    await using server = await startServer();
    const headers = { ...SECRET, "content-type": "text/plain" };
    return await send(server.url, operation, { headers });
  },
  "426": async (operation) => {
    await using server = await startServer();
    return await send(server.url, operation);
  },
  "429": overload,
  // A request that cannot be read stands for every fault of the server's own.
  "500": (operation) =>
    directly(operation, (server, request) => {
      const get = () => {
        throw new Error("A fault");
      };
      Object.defineProperty(request, "headers", { get });
      return server.fetch(request);
    }),
  "503": beUnavailable,
  // So many revocations take too long to send: the route is asked itself.
  "507": async ({ method, path }) => {
    const headers = { "content-type": "application/json" };
    const request = new Request(`http://localhost${path}`, { method, headers, body: "{}" });
    const error = new RevokeError("There are too many", { code: "ERR_REVOCATIONS_FULL" });
    const response = await revokeRoute(request, { revoke: () => Promise.reject(error) });
    const { status } = response;
    const body = await response.text();
    assertAnswer({ method, path, isInternal: false, status, headers: response.headers, body });
    return status;
  },
};

for (const operation of operations()) {
  const { method, path, statuses } = operation;
  Deno.test(`openapi: ${method} ${path} has every answer that is documented`, async () => {
    for (const status of statuses) {
      const stage = STAGES[status];
      assert(stage !== undefined, `Nothing causes ${status}`);
      assertEquals(await stage(operation), Number(status));
    }
  });
}

Deno.test("openapi: an answer that it does not have fails a test", () => {
  const answer = {
    method: "GET",
    path: "/livez",
    isInternal: false,
    status: 200,
    headers: new Headers({
      "content-type": "application/json",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    }),
    body: '{"status":"ok","auth":"enabled","peers":0,"rooms":0,"ts":"2026-01-01T00:00:00.000Z"}',
  };
  assertAnswer(answer);
  assertAnswer({ ...answer, isInternal: true });
  const without = (name: string) => {
    const headers = new Headers(answer.headers);
    headers.delete(name);
    return headers;
  };
  const refused = [
    { status: 503 },
    { path: "/live" },
    { method: "POST" },
    { body: answer.body.replace("0,", '"0",') },
    { body: answer.body.replace("{", '{"more":1,') },
    { headers: without("cache-control") },
    { headers: without("content-type") },
    { headers: new Headers([...answer.headers, ["x-more", "1"]]) },
  ];
  for (const change of refused) {
    assertThrows(() => assertAnswer({ ...answer, ...change }), Error, OPENAPI);
  }
  // The port for operators has no such path.
  const key = { ...answer, path: "/public-key", isInternal: true };
  assertThrows(() => assertAnswer(key), Error, OPENAPI);
});

/** The sections of a document, with the operations that their headings name. */
function sectionsOf(text: string): { named: Operation[]; text: string }[] {
  const all = operations();
  return text.split(/^(?=##+ )/m).map((section) => {
    const [heading = ""] = section.split("\n", 1);
    const names = [...heading.matchAll(/`([A-Z]+) (\/\S*)`/g)];
    const named = names.map(([, method, path]) => {
      const found = all.find((one) => one.method === method && one.path === path);
      assert(found !== undefined, `${OPENAPI} does not have ${method} ${path}`);
      return found;
    });
    return { named, text: section };
  });
}

/** The bodies in a text: blocks, what stands in a sentence, and what a curl sends. */
function* bodiesIn(text: string): Generator<unknown> {
  for (const [, block = ""] of text.matchAll(/^```json\n([\s\S]*?)^```/gm)) yield JSON.parse(block);
  for (const [, inline = ""] of text.matchAll(/`(\{ [^`]*\})`/g)) yield JSON.parse(inline);
  for (const [, body = ""] of text.matchAll(/ -d '([^']*)'/g)) yield JSON.parse(body);
}

/** What docs/http-api.md shows of an answer by itself. */
const SHOWN_APART: Readonly<Record<string, string>> = {
  "/admin/peers": "/components/schemas/Direction",
};

/** Where the document says what a body of these operations may be. */
function bodySchemas(named: readonly Operation[]): string[] {
  const apart = named.flatMap(({ path }) => SHOWN_APART[path] ?? []);
  const owners = named.flatMap(({ part }) => [
    memberOf(part, "requestBody"),
    ...membersOf(part, "responses").map(([, response]) => response),
  ]);
  const contents = [...owners, partAt("/components/responses/NotFound")].flatMap((owner) =>
    owner === undefined ? [] : membersOf(owner, "content")
  );
  return [...contents.map(([, { pointer }]) => `${pointer}/schema`), ...apart];
}

Deno.test("openapi: every example in docs/http-api.md is as it says, and so is every status", async () => {
  const text = await Deno.readTextFile(`${ROOT}docs/http-api.md`);
  let count = 0;
  for (const section of sectionsOf(text)) {
    const schemas = bodySchemas(section.named);
    for (const body of bodiesIn(section.text)) {
      count++;
      const problems = schemas.map((pointer) => {
        try {
          assertAt(`${OPENAPI}#${pointer}`, body);
        } catch (problem) {
          return problem;
        }
      });
      assert(problems.includes(undefined), problems.join("\n"));
    }
    for (const [, status = ""] of section.text.matchAll(/^\| (\d{3}) /gm)) {
      for (const { method, path, statuses } of section.named) {
        assert(statuses.includes(status), `${OPENAPI} does not have ${method} ${path} ${status}`);
      }
    }
  }
  assert(count >= 14, `${count}`);
  for (const { path } of operations()) assertStringIncludes(text, path);
});
