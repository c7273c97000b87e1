/**
 * One address in front of all instances: hands TCP connections to them in turn, past those that do
 * not answer. It changes no byte; of each connection it reads only what is asked for, to tell where
 * that went.
 */

/** Bytes within which the first line of a request has to end. */
const MAX_LINE_BYTES = 8192;

/** What the proxy needs to know. */
export interface ProxyOptions {
  /** The ports of the instances; `undefined` for one that is away. */
  readonly ports: () => readonly (number | undefined)[];
  /** Called with the instance that got a request, and the request's path and query. */
  readonly onRouted: (target: string, instance: number) => void;
}

/** The proxy, listening from the start. */
export class FrontProxy implements Disposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #options: ProxyOptions;
  readonly #open = new Set<Deno.Conn>();
  #turn = 0;

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      this.#serve(client).catch(() => {}); // Either end may disconnect at any time.
    }
  }

  async #serve(client: Deno.Conn): Promise<void> {
    const ends = [client];
    this.#open.add(client);
    try {
      const head = await readFirstLine(client);
      const found = head && await this.#connect();
      if (!head || !found) return;
      const { server, instance } = found;
      ends.push(server);
      this.#open.add(server);
      this.#options.onRouted(head.target, instance);
      const writer = server.writable.getWriter();
      await writer.write(head.bytes);
      writer.releaseLock();
      await Promise.race([
        client.readable.pipeTo(server.writable),
        server.readable.pipeTo(client.writable),
      ]);
    } finally {
      for (const end of ends) this.#end(end);
    }
  }

  /** Connects to the next instance in rotation that answers. */
  async #connect(): Promise<{ server: Deno.Conn; instance: number } | undefined> {
    const ports = this.#options.ports();
    const first = this.#turn++;
    for (let n = 0; n < ports.length; n++) {
      const instance = (first + n) % ports.length;
      const port = ports[instance];
      if (port === undefined) continue;
      try {
        return { server: await Deno.connect({ hostname: "127.0.0.1", port }), instance };
      } catch {
        // The next one may answer.
      }
    }
  }

  #end(conn: Deno.Conn): void {
    this.#open.delete(conn);
    try {
      conn.close();
    } catch {
      // It is closed.
    }
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const conn of this.#open) this.#end(conn);
  }
}

/** Reads until the first line is complete; `undefined` if it does not come. */
async function readFirstLine(
  conn: Deno.Conn,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; target: string } | undefined> {
  const buffer = new Uint8Array(MAX_LINE_BYTES);
  for (let length = 0; length < MAX_LINE_BYTES;) {
    const read = await conn.read(buffer.subarray(length));
    if (read === null) return undefined;
    length += read;
    const bytes = buffer.subarray(0, length);
    const [, target] = /^\S+ (\S+) .*\r\n/.exec(new TextDecoder().decode(bytes)) ?? [];
    if (target !== undefined) return { bytes, target };
  }
}
