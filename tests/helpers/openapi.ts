/**
 * The HTTP API of `docs/protocol/openapi.yaml`, as a check of answers: every status, header and body
 * has to be documented for its path and method.
 */

import { assert, assertEquals } from "@std/assert";
import { addDocument, assertAt, once } from "./schemas.ts";

export const OPENAPI = "openapi.yaml";
/** The methods that a path of the document may have. */
export const METHODS = ["get", "head", "post", "options"] as const;

/** A part of the document, and where it is. */
export interface Part {
  readonly pointer: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** An answer, with what was asked for. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  /** Whether it is from the port for operators. */
  readonly isInternal: boolean;
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** The document, read with the first use. */
export const openapi: () => unknown = once(() => addDocument(OPENAPI));

/** What is at a place in the document or, if that is a reference, at the place it refers to. */
export function partAt(pointer: string): Part | undefined {
  const names = pointer.split("/").slice(1);
  const value = names.reduce<unknown>((parent, name) => {
    const key = name.replaceAll("~1", "/").replaceAll("~0", "~");
    return isPart(parent) && Object.hasOwn(parent, key) ? parent[key] : undefined;
  }, openapi());
  if (!isPart(value)) return undefined;
  const { $ref } = value;
  return typeof $ref === "string" ? partAt($ref.slice(1)) : { pointer, value };
}

/** Objects and arrays. */
function isPart(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** A member of a part, by its name. */
export function memberOf({ pointer }: Part, ...names: string[]): Part | undefined {
  const escaped = names.map((name) => name.replaceAll("~", "~0").replaceAll("/", "~1"));
  return partAt([pointer, ...escaped].join("/"));
}

/** The members of a part, by their names; none if it has no such part. */
export function membersOf(part: Part, name: string): [string, Part][] {
  const parent = memberOf(part, name);
  if (parent === undefined) return [];
  return Object.keys(parent.value).map((key) => {
    const member = memberOf(parent, key);
    assert(member !== undefined, `${parent.pointer}/${key} is nothing`);
    return [key, member];
  });
}

/** Fails if an answer is not one that the document has for the path and the method. */
export function assertAnswer(exchange: Exchange): void {
  const { method, path, status } = exchange;
  const response = responseTo(exchange);
  const what = `${method} ${path} ${status}`;
  assert(response !== undefined, `${OPENAPI} does not have ${what}: ${exchange.body}`);
  try {
    checkHeaders(response, exchange.headers);
    checkBody(response, exchange);
  } catch (cause) {
    throw new Error(`${what} is not as ${OPENAPI} has it: ${cause}`, { cause });
  }
}

/** What the document has for an answer. */
function responseTo({ method, path, isInternal, status, headers }: Exchange): Part | undefined {
  const item = pathItem(path, isInternal);
  const methods = METHODS.filter((name) => item !== undefined && name in item.value);
  const own = methods.find((name) => name.toUpperCase() === method);
  if (item !== undefined && own !== undefined) {
    return memberOf(item, own, "responses", String(status));
  }
  if (status === 405 && item !== undefined) {
    assertEquals(headers.get("allow"), methods.join(", ").toUpperCase());
    return component("MethodNotAllowed");
  }
  const isOptional = methods.every((name) => item && memberOf(item, name, "responses", "404"));
  if (status === 404 && isOptional) return component("NotFound");
  if (status === 400) return component("MalformedRequest");
  return status === 500 ? component("ServerFault") : undefined;
}

/** A path of the port. That for operators has the paths whose servers name it. */
function pathItem(path: string, isInternal: boolean): Part | undefined {
  const item = memberOf({ pointer: "/paths", value: {} }, path);
  const isThere = item && (!isInternal || JSON.stringify(item.value).includes("{internalPort}"));
  return isThere ? item : undefined;
}

function component(name: string): Part | undefined {
  return partAt(`/components/responses/${name}`);
}

function checkHeaders(response: Part, headers: Headers): void {
  const documented = new Map(
    membersOf(response, "headers").map(([name, header]) => [name.toLowerCase(), header]),
  );
  for (const [name, header] of documented) {
    const text = headers.get(name);
    if (text === null) {
      assert(header.value["required"] !== true, `${name} is missing`);
    } else {
      const value = /^\d+$/.test(text) ? Number(text) : text;
      assertAt(`${OPENAPI}#${header.pointer}/schema`, value);
    }
  }
  for (const [name, value] of headers) {
    if (name === "content-type") continue;
    assert(documented.has(name), `${name}: ${value} is not documented`);
  }
}

function checkBody(response: Part, { headers, body }: Exchange): void {
  const contents = membersOf(response, "content");
  const type = headers.get("content-type");
  if (contents.length === 0) return assertEquals([type, body], [null, ""]);
  const [, content] = contents.find(([name]) => name === type) ?? [];
  assert(content !== undefined, `its type is ${type}: ${body.slice(0, 200)}`);
  const isText = type?.startsWith("text/");
  assertAt(`${OPENAPI}#${content.pointer}/schema`, isText ? body : JSON.parse(body));
}
