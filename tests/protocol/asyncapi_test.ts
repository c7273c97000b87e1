/**
 * `docs/protocol/asyncapi.yaml` is a valid AsyncAPI document, and says what the code says: every
 * message in its direction, every close code with its reasons, and every parameter of the URL.
 */

import { assert, assertEquals } from "@std/assert";
import asyncApi from "@asyncapi/specs/schemas/3.0.0.json" with { type: "json" };
import { Ajv } from "ajv";
import formats from "ajv-formats";
import { readCredentials, SUBPROTOCOL } from "../../src/access/credentials.ts";
import { requestedNames } from "../../src/access/requested_names.ts";
import {
  CLOSE,
  isObject,
  MAX_NODE_ID_LENGTH,
  MAX_ROOM_LENGTH,
} from "../../src/protocol/messages.ts";
import { Client } from "../helpers/client.ts";
import { ROOT } from "../helpers/command.ts";
import { readProtocol } from "../helpers/schemas.ts";
import { startServer } from "../helpers/server.ts";

const MESSAGES = "messages.schema.json";
const DOCUMENT = "asyncapi.yaml";

/** The files of `docs/protocol/` that refer to each other. */
const files: Readonly<Record<string, unknown>> = {
  [DOCUMENT]: readProtocol(DOCUMENT),
  [MESSAGES]: readProtocol(MESSAGES),
};

/** A value below others, with every reference on the way resolved; it must exist. */
function at(value: unknown, path: readonly string[]): unknown {
  for (const name of path) {
    const parent = resolved(value);
    assert(
      isObject(parent) && Object.hasOwn(parent, name),
      `${path.join("/")}: there is no ${name}`,
    );
    value = parent[name];
  }
  return resolved(value);
}

/** What a reference refers to, or the value itself. */
function resolved(value: unknown): unknown {
  return isObject(value) && typeof value["$ref"] === "string" ? target(value["$ref"]) : value;
}

function target(reference: string): unknown {
  const [file = "", pointer = ""] = reference.split("#");
  const root = files[file || DOCUMENT];
  assert(root !== undefined, reference);
  return at(root, pointer.split("/").slice(1));
}

/** A member of the document, which is an object. */
function members(...path: string[]): Record<string, unknown> {
  const found = at(files[DOCUMENT], path);
  assert(isObject(found), path.join("/"));
  return found;
}

/** Every text after `$ref` in a value. */
function references(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(references);
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([name, member]) =>
    name === "$ref" && typeof member === "string" ? [member] : references(member)
  );
}

/** The schemas that the messages of operations have, by their names in the file of schemas. */
function schemasOf(messages: unknown): string[] {
  return references(messages).map((message) => {
    const [payload = ""] = references(target(message));
    return payload.replace(`${MESSAGES}#/$defs/`, "");
  });
}

/** What one of the two unions in the file of schemas consists of. */
function union(name: string): Set<string> {
  const schema = at(files[MESSAGES], ["$defs", name]);
  return new Set(references(schema).map((reference) => reference.replace("#/$defs/", "")));
}

Deno.test("asyncapi: the document is valid by the schema of AsyncAPI 3.0", () => {
  // The schema contains that of JSON Schema, which must not be there twice.
  const ajv = new Ajv({ allErrors: true, strict: false, meta: false, validateSchema: false });
  // Its types describe CommonJS, where `default` is a member of what is imported.
  (formats as unknown as (ajv: Ajv) => void)(ajv);
  const validate = ajv.compile(asyncApi);
  assert(validate(files[DOCUMENT]), ajv.errorsText(validate.errors, { separator: "\n" }));
  assert(!validate({ ...members(), channels: { signal: { messages: [] } } }));
});

Deno.test("asyncapi: every reference leads somewhere", () => {
  const found = references(files[DOCUMENT]);
  assert(found.length > 50);
  for (const reference of found) assert(isObject(target(reference)), reference);
});

Deno.test("asyncapi: it has every message of the schemas, in its direction, and no other", () => {
  const received = new Set<string>();
  const sent = new Set<string>();
  for (const operation of Object.keys(members("operations"))) {
    const { action, messages, reply } = members("operations", operation);
    assert(action === "receive" || action === "send", operation);
    for (const name of schemasOf(messages)) (action === "send" ? sent : received).add(name);
    for (const name of isObject(reply) ? schemasOf(reply["messages"]) : []) sent.add(name);
  }
  assertEquals(received, union("ClientMessage"));
  assertEquals(sent, union("ServerMessage"));
  assertEquals(
    new Set(schemasOf(members("channels", "signal", "messages"))),
    received.union(sent),
  );
});

Deno.test("asyncapi: the name of each message is its type", () => {
  for (const message of Object.keys(members("components", "messages"))) {
    const path = ["components", "messages", message];
    const { name } = members(...path);
    const { const: type } = members(...path, "payload", "properties", "type");
    assertEquals(name, type, message);
  }
});

Deno.test("asyncapi: it has every close code with every reason, and no other", () => {
  const ofCode = Map.groupBy(Object.values(CLOSE), ({ code }) => code);
  const expected = [...ofCode].map(([code, closes]) => [
    code,
    [...new Set(closes.map(({ reason }) => reason))].sort(),
  ]);
  const listed = members("channels", "signal")["x-close-codes"];
  assert(Array.isArray(listed));
  assertEquals(listed.map(({ code, reasons }) => [code, reasons.toSorted()]), expected);
});

/** What the table in docs/protocol.md says where the document has this word. */
const RETRY: Readonly<Record<string, RegExp>> = {
  never: /^(No|Only)\b(?!.*token)/,
  later: /^(Yes|Later)\b/,
  "new-token": /another token/,
  "new-node-id": /another `nodeId`/,
};

Deno.test("asyncapi: after which close codes to come back is the same in docs/protocol.md", async () => {
  const text = await Deno.readTextFile(`${ROOT}docs/protocol.md`);
  const listed = members("channels", "signal")["x-close-codes"];
  assert(Array.isArray(listed));
  for (const { code, retry } of listed) {
    const [, cell = ""] = new RegExp(`^\\| ${code} .*\\| (.*) \\|$`, "m").exec(text) ?? [];
    const pattern = RETRY[retry];
    assert(pattern?.test(cell), `${code} ${retry}: ${cell}`);
  }
});

/** A query that records what it is asked for. */
class RecordingQuery extends URLSearchParams {
  readonly asked = new Set<string>();

  override get(name: string): string | null {
    this.asked.add(name);
    return super.get(name);
  }

  override getAll(name: string): string[] {
    this.asked.add(name);
    return super.getAll(name);
  }

  override has(name: string, value?: string): boolean {
    this.asked.add(name);
    return super.has(name, value);
  }
}

const query = ["channels", "signal", "bindings", "ws", "query"];

Deno.test("asyncapi: it has every parameter that the server reads, with its bound, and no other", () => {
  const recording = new RecordingQuery();
  requestedNames(recording);
  readCredentials(recording, new Headers(), true);
  assertEquals(new Set(Object.keys(members(...query, "properties"))), recording.asked);
  assertEquals(members(...query, "properties", "room")["maxLength"], MAX_ROOM_LENGTH);
  assertEquals(members(...query, "properties", "nodeId")["maxLength"], MAX_NODE_ID_LENGTH);
});

/** A token as a header carries it in the place that a scheme names. */
const HEADERS: Readonly<Record<string, (token: string) => Record<string, string>>> = {
  subprotocol: (token) => ({ "Sec-WebSocket-Protocol": `${SUBPROTOCOL}, bearer.${token}` }),
  bearer: (token) => ({ Authorization: `Bearer ${token}` }),
  query: () => ({}),
};

Deno.test("asyncapi: a client connects with its token by each security scheme", async () => {
  await using server = await startServer();
  const token = await server.token("todos");
  const schemes = Object.keys(members("components", "securitySchemes"));
  assertEquals(schemes, Object.keys(HEADERS));
  const { properties } = members("channels", "signal", "bindings", "ws", "headers");
  for (const scheme of schemes) {
    const headers = HEADERS[scheme]?.(token) ?? {};
    for (const [name, value] of Object.entries(headers)) {
      const { pattern } = at(properties, [name]) as { pattern: string };
      assert(new RegExp(pattern).test(value), name);
    }
    const { name } = members("components", "securitySchemes", scheme);
    const parameters = scheme === "query" ? { [String(name)]: token } : {};
    const url = server.signal({ ...parameters, room: "todos", nodeId: scheme });
    const { "Sec-WebSocket-Protocol": protocol, ...others } = headers;
    const protocols = protocol?.split(", ") ?? [];
    await using client = await Client.join(url, {}, { protocols, headers: others });
    assertEquals(client.socket.protocol, protocol === undefined ? "" : SUBPROTOCOL);
  }
});
