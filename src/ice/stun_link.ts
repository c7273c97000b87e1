/**
 * A connection to a STUN or TURN server over UDP, TCP or TLS: sends a request, sends it again over UDP
 * (RFC 8489, section 6.2.1), and finds its answer among whatever arrives. What the messages mean is
 * `probe.ts`'s, and so is the time-out: every wait ends when the signal aborts.
 */

import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { tlsFailure } from "../runtime/tls_failure.ts";
import { untilAborted } from "../runtime/until_aborted.ts";
import type { IceUrl } from "./ice_url.ts";
import { decodeStun, HEADER_BYTES, stunLength, type StunMessage } from "./stun_message.ts";

/** Milliseconds until a request over UDP is sent again; each time twice as long (RFC 8489). */
const RTO_MS = 500;

/** Why a server could not be asked, or what it answered instead of STUN. */
export type LinkFailure =
  | "no-permission"
  | "name-not-found"
  | "refused"
  | "unreachable"
  | "tls"
  | "closed"
  | "not-stun";

/** Thrown by everything here but an abort. */
export class LinkError extends Error {
  readonly kind: LinkFailure;
  /** What is wrong with TLS, or which hosts to allow. */
  readonly detail: string;

  constructor(kind: LinkFailure, detail = "") {
    super(kind);
    this.kind = kind;
    this.detail = detail;
  }
}

/** An open connection. */
export interface StunLink {
  /** Whether something has arrived that is no STUN. */
  readonly hasOther: boolean;
  /**
   * Sends a request and resolves with its answer.
   *
   * @throws {LinkError} There will be none.
   * @throws The reason of the signal, when it aborts.
   */
  exchange(request: Uint8Array, isAnswer: (message: StunMessage) => boolean): Promise<StunMessage>;
  close(): void;
}

/** How to connect. */
export interface LinkOptions {
  /** Ends every wait. */
  readonly signal: AbortSignal;
  /** Certificates in PEM that are trusted as well as those of the system. */
  readonly caCerts: string[];
}

/** Connects to the server of this URL. */
export async function openLink(url: IceUrl, options: LinkOptions): Promise<StunLink> {
  if (url.transport === "udp") return await openDatagrams(url, options.signal);
  return new StreamLink(await connect(url, options), options.signal);
}

async function resolve({ host }: IceUrl, signal: AbortSignal) {
  try {
    const found = await untilAborted(lookup(host, { all: true }), signal);
    // IPv4 first: a machine without a route to IPv6 still finds such addresses.
    return found.find(({ family }) => family === 4) ?? found[0];
  } catch (error) {
    signal.throwIfAborted();
    if (codeOf(error) === "EPERM" || error instanceof Deno.errors.NotCapable) {
      throw new LinkError("no-permission", host);
    }
    return undefined;
  }
}

/** Node's name of an error, such as `ECONNREFUSED`. */
function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

async function openDatagrams(url: IceUrl, signal: AbortSignal): Promise<StunLink> {
  const found = await resolve(url, signal);
  if (found === undefined) throw new LinkError("name-not-found");
  const isV4 = found.family === 4;
  const any = isV4 ? "0.0.0.0" : "[::]";
  const remote = isV4 ? found.address : `[${found.address}]`;
  // Asked before: a socket that may not bind throws where nobody can catch it.
  const missing: string[] = [];
  for (const host of [any, remote]) {
    const { state } = await Deno.permissions.query({ name: "net", host });
    const withPort = `${host}:${host === any ? 0 : url.port}`;
    const { state: atPort } = await Deno.permissions.query({ name: "net", host: withPort });
    if (state !== "granted" && atPort !== "granted") missing.push(host);
  }
  if (missing.length > 0) throw new LinkError("no-permission", [url.host, ...missing].join(","));
  signal.throwIfAborted();
  return new DatagramLink({ ...found, port: url.port }, signal);
}

/** Over UDP. */
class DatagramLink implements StunLink {
  hasOther = false;
  readonly #socket: Socket;
  readonly #signal: AbortSignal;
  readonly #server: { address: string; port: number };
  #receive: (message: StunMessage) => void = () => {};
  #fail: (error: LinkError) => void = () => {};

  constructor(server: { address: string; family: number; port: number }, signal: AbortSignal) {
    this.#server = server;
    this.#signal = signal;
    this.#socket = createSocket(server.family === 4 ? "udp4" : "udp6");
    this.#socket.on("error", () => this.#fail(new LinkError("unreachable")));
    this.#socket.on("message", (bytes, from) => {
      if (from.address !== server.address || from.port !== server.port) return;
      const message = decodeStun(bytes);
      if (message === undefined) this.hasOther = true;
      else this.#receive(message);
    });
  }

  async exchange(
    request: Uint8Array,
    isAnswer: (message: StunMessage) => boolean,
  ): Promise<StunMessage> {
    const answer = Promise.withResolvers<StunMessage>();
    this.#receive = (message) => isAnswer(message) && answer.resolve(message);
    this.#fail = answer.reject;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const { address, port } = this.#server;
    const send = (delayMs: number) => {
      timer = setTimeout(send, delayMs, 2 * delayMs);
      this.#socket.send(request, port, address, (error) => {
        if (error) answer.reject(new LinkError("unreachable"));
      });
    };
    try {
      send(RTO_MS);
      return await untilAborted(answer.promise, this.#signal);
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#socket.close();
  }
}

/** Over TCP or TLS, where a message follows the other. */
class StreamLink implements StunLink {
  hasOther = false;
  readonly #conn: Deno.Conn;
  readonly #signal: AbortSignal;
  /** What has arrived and was not read yet. */
  #bytes = new Uint8Array();

  constructor(conn: Deno.Conn, signal: AbortSignal) {
    this.#conn = conn;
    this.#signal = signal;
  }

  async exchange(
    request: Uint8Array,
    isAnswer: (message: StunMessage) => boolean,
  ): Promise<StunMessage> {
    try {
      for (let sent = 0; sent < request.length;) {
        sent += await untilAborted(this.#conn.write(request.subarray(sent)), this.#signal);
      }
      while (true) {
        const message = await this.#next();
        if (isAnswer(message)) return message;
      }
    } catch (error) {
      this.#signal.throwIfAborted();
      throw error instanceof LinkError ? error : new LinkError("closed");
    }
  }

  async #next(): Promise<StunMessage> {
    await this.#atLeast(HEADER_BYTES);
    const length = stunLength(this.#bytes);
    if (length === undefined) throw new LinkError("not-stun");
    await this.#atLeast(length);
    const message = decodeStun(this.#bytes.subarray(0, length));
    this.#bytes = this.#bytes.slice(length);
    if (message === undefined) throw new LinkError("not-stun");
    return message;
  }

  /** Reads until so many bytes are there: 65 kB at most, since a length has two bytes. */
  async #atLeast(length: number): Promise<void> {
    const chunk = new Uint8Array(4096);
    while (this.#bytes.length < length) {
      const count = await untilAborted(this.#conn.read(chunk), this.#signal);
      if (count === null) throw new LinkError(this.#bytes.length > 0 ? "not-stun" : "closed");
      const all = new Uint8Array(this.#bytes.length + count);
      all.set(this.#bytes);
      all.set(chunk.subarray(0, count), this.#bytes.length);
      this.#bytes = all;
    }
  }

  close(): void {
    this.#conn.close();
  }
}

async function connect(url: IceUrl, { signal, caCerts }: LinkOptions): Promise<Deno.Conn> {
  let conn: Deno.TcpConn;
  try {
    conn = await Deno.connect({ hostname: url.host, port: url.port, signal });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Deno.errors.NotCapable) throw new LinkError("no-permission", url.host);
    if (error instanceof Deno.errors.ConnectionRefused) throw new LinkError("refused");
    const isKnown = await resolve(url, signal) !== undefined;
    throw new LinkError(isKnown ? "unreachable" : "name-not-found");
  }
  if (url.transport !== "tls") return conn;
  const secure = await Deno.startTls(conn, { hostname: url.host, caCerts });
  try {
    await untilAborted(secure.handshake(), signal);
    return secure;
  } catch (error) {
    secure.close();
    signal.throwIfAborted();
    throw new LinkError("tls", tlsFailure(error));
  }
}
