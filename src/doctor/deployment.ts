/**
 * One examination's way to ask the deployment: HTTP requests with bounds, and WebSockets, all of which
 * are closed with it. What the answers mean is not its concern.
 */

import { untilAborted } from "../runtime/until_aborted.ts";
import { open, type Route } from "./connection.ts";
import { type HandshakeResult, shakeHands } from "./handshake.ts";
import type { RawSocket } from "./socket.ts";
import type { Target } from "./target.ts";

/** Of an answer. */
const MAX_BODY_BYTES = 1 << 20;

/** The answer to an HTTP request. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
  /** Milliseconds until all of it was there. */
  readonly ms: number;
}

/** An HTTP request. */
export interface HttpRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** An attempt to open a WebSocket. */
export interface Attempt {
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Asks one deployment. */
export class Deployment implements AsyncDisposable {
  readonly target: Target;
  readonly #route: Route;
  readonly #client: Deno.HttpClient;
  readonly #sockets: RawSocket[] = [];

  constructor(route: Route) {
    this.target = route.target;
    this.#route = route;
    this.#client = Deno.createHttpClient({ caCerts: [...route.caCerts] });
  }

  /** Asks below the path of the deployment, or anywhere by a whole URL. It follows no redirect. */
  async ask(path: string, request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    const start = performance.now();
    const url = path.startsWith("/") ? this.target.base + path : path;
    const response = await fetch(url, {
      ...request,
      client: this.#client,
      redirect: "manual",
      signal,
    });
    const body = await readText(response, signal);
    return {
      status: response.status,
      headers: response.headers,
      body,
      ms: performance.now() - start,
    };
  }

  /** Tries to open a WebSocket. */
  async upgrade(
    { query = {}, headers = {} }: Attempt,
    signal: AbortSignal,
  ): Promise<HandshakeResult> {
    const { target } = this;
    const search = new URLSearchParams(target.query);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) search.set(name, value);
    }
    const conn = await open(this.#route, signal);
    const path = `${target.signalPath}?${search}`;
    const result = await shakeHands(
      conn,
      { host: target.host, path, headers },
      signal,
    );
    if (result.kind === "socket") this.#sockets.push(result.socket);
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#sockets.map((socket) => socket.close()));
    this.#client.close();
  }
}

async function readText(response: Response, signal: AbortSignal): Promise<string> {
  const decoder = new TextDecoder();
  const reader = response.body?.getReader();
  let text = "";
  for (let size = 0; reader !== undefined && size < MAX_BODY_BYTES;) {
    const { value, done } = await untilAborted(reader.read(), signal);
    if (done) return text;
    size += value.length;
    text += decoder.decode(value, { stream: true });
  }
  await reader?.cancel();
  return text;
}
