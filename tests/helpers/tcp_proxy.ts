/** A TCP proxy on loopback that knows nothing of HTTP, for what real ones do wrong. */

export interface TcpProxyOptions {
  /** Where connections go, in turn. */
  readonly ports: readonly number[];
  /** Ends a connection so many milliseconds after its start. */
  readonly cutAfterMs?: number;
  /** Forwards nothing to the server for so many milliseconds. */
  readonly delayMs?: number;
}

export interface TcpProxy extends Disposable {
  readonly port: number;
  /** Where new connections go from now on; those that are open stay where they are. */
  forwardTo(ports: readonly number[]): void;
}

/** Starts a proxy. It closes connections to a port on which nobody listens. */
export function startTcpProxy({ ports, cutAfterMs, delayMs }: TcpProxyOptions): TcpProxy {
  let targets = ports;
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const ends = new Set<() => void>();
  const accept = async () => {
    let count = 0;
    for await (const client of listener) {
      const port = targets[count++ % targets.length] ?? 0;
      const server = await Deno.connect({ hostname: "127.0.0.1", port }).catch(() => undefined);
      if (server === undefined) {
        client.close();
        continue;
      }
      const end = () => {
        for (const timer of timers) clearTimeout(timer);
        ends.delete(end);
        for (const conn of [client, server]) close(conn);
      };
      const send = () => void forward(client, server).finally(end);
      const timers = [
        cutAfterMs === undefined ? undefined : setTimeout(end, cutAfterMs),
        delayMs === undefined ? send() : setTimeout(send, delayMs),
      ];
      ends.add(end);
      forward(server, client).finally(end);
    }
  };
  accept().catch(() => {}); // The listener is closed.
  return {
    port: listener.addr.port,
    forwardTo: (ports) => void (targets = ports),
    [Symbol.dispose]() {
      listener.close();
      for (const end of ends) end();
    },
  };
}

async function forward(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  const chunk = new Uint8Array(65536);
  try {
    for (let count; (count = await from.read(chunk)) !== null;) {
      for (let sent = 0; sent < count;) sent += await to.write(chunk.subarray(sent, count));
    }
  } catch {
    // One of them has ended.
  }
}

function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // It is closed.
  }
}
