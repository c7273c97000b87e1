/** A TCP proxy on loopback that delivers everything later, in order, as a long way does. */

export interface DelayedProxy extends Disposable {
  readonly port: number;
}

/**
 * Forwards connections to a port of this machine, with a delay each way; where `after` is given, only
 * once the client of a connection has sent this text.
 */
export function startDelayedProxy(
  targetPort: number,
  delayMs: number,
  after?: string,
): DelayedProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections = new Set<Deno.TcpConn>();
  let isClosed = false;
  const timers = new Set<ReturnType<typeof setTimeout>>();
  const accept = async () => {
    for await (const client of listener) {
      const server = await Deno.connect({ hostname: "127.0.0.1", port: targetPort });
      for (const connection of [client, server]) {
        connection.setNoDelay();
        connections.add(connection);
      }
      let isDelayed = after === undefined;
      const later = (act: () => void) => {
        if (isClosed) return;
        const timer = setTimeout(() => {
          timers.delete(timer);
          act();
        }, isDelayed ? delayMs : 0);
        timers.add(timer);
      };
      pipe(client, server, later, (data) => {
        if (after !== undefined) isDelayed ||= new TextDecoder().decode(data).includes(after);
      });
      pipe(server, client, later);
    }
  };
  accept().catch(() => {}); // The listener is closed.
  return {
    port: listener.addr.port,
    [Symbol.dispose]() {
      isClosed = true;
      listener.close();
      for (const timer of timers) clearTimeout(timer);
      for (const connection of connections) close(connection);
    },
  };
}

function pipe(
  from: Deno.TcpConn,
  to: Deno.TcpConn,
  later: (act: () => void) => void,
  onData = (_data: Uint8Array) => {},
): void {
  let written = Promise.resolve();
  const read = async () => {
    while (true) {
      const buffer = new Uint8Array(65536);
      const count = await from.read(buffer);
      if (count === null) break;
      onData(buffer.subarray(0, count));
      later(() => {
        written = written.then(() => writeAll(to, buffer.subarray(0, count))).catch(() => {});
      });
    }
    later(() => void written.then(() => to.closeWrite()).catch(() => {}));
  };
  read().catch(() => later(() => close(to))); // A reset goes on as the end of the connection.
}

async function writeAll(to: Deno.TcpConn, data: Uint8Array): Promise<void> {
  for (let sent = 0; sent < data.length;) sent += await to.write(data.subarray(sent));
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // It is closed already.
  }
}
