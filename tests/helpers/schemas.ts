/**
 * The machine-readable protocol in `docs/protocol/`, as checks that every test makes in passing: what
 * the server sends must be valid, and must have no field that the schemas do not name.
 */

import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { parse } from "yaml";
import { isObject } from "../../src/protocol/messages.ts";
import { parseClientMessage } from "../../src/protocol/parse.ts";

/** The folder of the schemas. */
const PROTOCOL = new URL("../../docs/protocol/", import.meta.url);
const MESSAGES = "messages.schema.json";

/** A document of `docs/protocol/`, parsed. */
export function readProtocol(file: string): unknown {
  return parse(Deno.readTextFileSync(new URL(file, PROTOCOL)));
}

/** The parser and the schemas are read once per process, and only by a test that needs them. */
const load = once(() => {
  // A number that is not finite is no JSON; `strict` finds keywords that are misspelt.
  const ajv = new Ajv2020({ allErrors: true, strict: true, strictRequired: false });
  // Its types describe CommonJS, where `default` is a member of what is imported.
  (formats as unknown as (ajv: Ajv2020) => void)(ajv);
  ajv.addVocabulary(["example"]);
  ajv.addSchema(closed(readProtocol(MESSAGES)) as object, MESSAGES);
  return ajv;
});

/** Fails if a message is not one of these, with what is wrong. */
export function assertMessage(definition: string, message: unknown): void {
  assertValid(definition, messageValidator(definition), message);
}

/** Fields whose wrong value the server treats as none, so that the answer says what is missing. */
const LENIENT = ["token"];

/** Fails if the server accepts a frame of a client that the schemas do not describe. */
export function assertDescribed(text: string): void {
  const { type } = parseClientMessage(text);
  if (type === "invalid" || type === "unknown") return;
  const message = withoutLeniency(JSON.parse(text));
  // A `refresh` without a token is accepted only to be answered with INVALID_TOKEN.
  if (isObject(message) && type === "refresh") message["token"] ??= "";
  assertMessage("ClientMessage", message);
}

/** The message without what the parser reads as absent and the schemas do not describe. */
function withoutLeniency(value: unknown): unknown {
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([name, member]) =>
    member !== null && !(LENIENT.includes(name) && typeof member !== "string")
  );
  return Object.fromEntries(kept.map(([name, member]) => [name, withoutLeniency(member)]));
}

/**
 * Reads and compiles the schemas now, which blocks this process for a moment: a server in it must not
 * take that for the silence of a client.
 */
export function prepareSchemas(): void {
  messageValidator("ClientMessage");
  messageValidator("ServerMessage");
}

/** Whether a message is what the schemas say of it. */
export function isMessage(definition: string, message: unknown): boolean {
  return messageValidator(definition)(message);
}

function messageValidator(definition: string): ValidateFunction {
  const validate = load().getSchema(`${MESSAGES}#/$defs/${definition}`);
  if (validate === undefined) throw new Error(`No schema of ${definition}`);
  return validate;
}

/**
 * A document of `docs/protocol/` whose schemas can be used by address, such as
 * `openapi.yaml#/components/schemas/Error`.
 */
export function addDocument(file: string): unknown {
  const document = readProtocol(file) as object;
  // It is no schema itself: what it has at its top is no keyword.
  load().addVocabulary(Object.keys(document)).addSchema(closed(document) as object, file);
  return document;
}

/** Fails if a value is not what the schema at this address says, with what is wrong. */
export function assertAt(address: string, value: unknown): void {
  const validate = load().getSchema(encodeURI(address));
  if (validate === undefined) throw new Error(`No schema ${address}`);
  assertValid(address, validate, value);
}

function assertValid(what: string, validate: ValidateFunction, value: unknown): void {
  if (validate(value)) return;
  const problems = load().errorsText(validate.errors, { separator: "\n  " });
  throw new Error(`Not as docs/protocol has ${what}:\n  ${problems}\n${JSON.stringify(value)}`);
}

/**
 * A schema in which no object has a member that it does not name. Published schemas let clients of
 * today accept fields of tomorrow; the server of today sends none.
 */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (!isObject(schema)) return schema;
  const copy = Object.fromEntries(
    Object.entries(schema).map(([name, value]) => [name, closed(value)]),
  );
  const isOpen = copy["type"] === "object" && isObject(copy["properties"]) &&
    !("additionalProperties" in copy);
  return isOpen ? { ...copy, additionalProperties: false } : copy;
}

/** Creates something at the first call, and returns it at every call. */
export function once<T>(create: () => T): () => T {
  let created: { readonly value: T } | undefined;
  return () => (created ??= { value: create() }).value;
}
