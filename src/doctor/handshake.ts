/**
 * The handshake of a WebSocket (RFC 6455, section 4) on a bare connection, and whatever is answered
 * instead of 101: Deno's client hides the status. Why it was refused is `upgrade.ts`'s to say.
 */

import { untilAborted } from "../runtime/until_aborted.ts";
import { closeQuietly, joinBytes, writeAll } from "./bytes.ts";
import { RawSocket } from "./socket.ts";

/** The head and body of an HTTP answer that are read at most. */
const MAX_ANSWER_BYTES = 32_768;

/** Milliseconds for the body of a refusal. */
const BODY_TIMEOUT_MS = 1000;

/** RFC 6455, section 1.3. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** What a handshake led to. */
export type HandshakeResult =
  | { readonly kind: "socket"; readonly socket: RawSocket; readonly ms: number }
  | {
    readonly kind: "answer";
    readonly status: number;
    readonly headers: Headers;
    /** Its beginning. */
    readonly body: string;
  }
  | { readonly kind: "not-http" | "closed" | "wrong-accept" };

/** What a handshake asks for. */
export interface HandshakeRequest {
  readonly host: string;
  /** The path with its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Opens a WebSocket on a connection, which is closed unless that succeeds. */
export async function shakeHands(
  conn: Deno.Conn,
  { host, path, headers }: HandshakeRequest,
  signal: AbortSignal,
): Promise<HandshakeResult> {
  let isOpen = false;
  try {
    const key = crypto.getRandomValues(new Uint8Array(16)).toBase64();
    const lines = Object.entries({
      Host: host,
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": key,
      "User-Agent": "client-db-sync doctor",
      ...headers,
    }).map(([name, value]) => `${name}: ${value}`);
    const start = performance.now();
    await writeAll(
      conn,
      new TextEncoder().encode(
        [`GET ${path} HTTP/1.1`, ...lines, "", ""].join("\r\n"),
      ),
    );
    const answer = await readHead(conn, signal);
    if (answer === undefined) return { kind: "closed" };
    const { status, head, rest } = answer;
    if (status === undefined) return { kind: "not-http" };
    if (status !== 101) {
      return { kind: "answer", status, headers: head, body: await readBody(conn, head, rest) };
    }
    const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(key + GUID));
    if (head.get("sec-websocket-accept") !== new Uint8Array(digest).toBase64()) {
      return { kind: "wrong-accept" };
    }
    isOpen = true;
    return { kind: "socket", socket: new RawSocket(conn, rest), ms: performance.now() - start };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe) {
      return { kind: "closed" };
    }
    throw error;
  } finally {
    if (!isOpen) closeQuietly(conn);
  }
}

/** The head of an answer; without a status if it is no HTTP/1.1; `undefined` if there was none. */
async function readHead(conn: Deno.Conn, signal: AbortSignal) {
  const chunk = new Uint8Array(4096);
  let bytes: Uint8Array = new Uint8Array();
  while (true) {
    // Each byte is a character, so that positions in the text are those in the bytes.
    const text = new TextDecoder("latin1").decode(bytes);
    const end = text.indexOf("\r\n\r\n");
    const isHttp = "HTTP/1.".startsWith(text.slice(0, 7));
    if (!isHttp || bytes.length > MAX_ANSWER_BYTES) {
      return { status: undefined, head: new Headers(), rest: bytes };
    }
    if (end >= 0) return { ...parseHead(text.slice(0, end)), rest: bytes.slice(end + 4) };
    const count = await untilAborted(conn.read(chunk), signal);
    if (count === null) return undefined;
    bytes = joinBytes(bytes, chunk.subarray(0, count));
  }
}

function parseHead(text: string): { status: number | undefined; head: Headers } {
  const [first = "", ...lines] = text.split("\r\n");
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1];
  const head = new Headers();
  for (const line of lines) {
    const [, name = "", value = ""] = /^([\w-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    // The names of the fields that are looked at.
    if (/^(sec-websocket-accept|content-length|location|server|via)$/i.test(name)) {
      head.set(name, value.replace(/[^\x20-\x7e]/g, ""));
    }
  }
  return { status: status === undefined ? undefined : Number(status), head };
}

/** The beginning of a body whose length is known. */
async function readBody(conn: Deno.Conn, head: Headers, rest: Uint8Array): Promise<string> {
  const chunk = new Uint8Array(4096);
  const length = Math.min(Number(head.get("content-length") ?? 0), MAX_ANSWER_BYTES);
  const timer = setTimeout(() => closeQuietly(conn), BODY_TIMEOUT_MS);
  let body = rest;
  try {
    while (body.length < length) {
      const count = await conn.read(chunk);
      if (count === null) break;
      body = joinBytes(body, chunk.subarray(0, count));
    }
  } catch {
    // What there is of it has to do.
  } finally {
    clearTimeout(timer);
  }
  return new TextDecoder().decode(body);
}
