/** A TCP proxy on loopback that delivers everything later, in order, as a long way does. */

export interface DelayedProxy extends Disposable {
  readonly port: number;
}

/** Forwards connections to a port of this machine, with a delay each way. */
export function startDelayedProxy(targetPort: number, delayMs: number): DelayedProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections = new Set<Deno.TcpConn>();
  const accept = async () => {
    for await (const client of listener) {
      const server = await Deno.connect({ hostname: "127.0.0.1", port: targetPort });
      for (const connection of [client, server]) {
        connection.setNoDelay();
        connections.add(connection);
      }
      pipe(client, server, delayMs);
      pipe(server, client, delayMs);
    }
  };
  accept().catch(() => {}); // The listener is closed.
  return {
    port: listener.addr.port,
    [Symbol.dispose]() {
      listener.close();
      for (const connection of connections) close(connection);
    },
  };
}

function pipe(from: Deno.TcpConn, to: Deno.TcpConn, delayMs: number): void {
  const later = (act: () => void | Promise<void>) => setTimeout(act, delayMs);
  let written = Promise.resolve();
  const read = async () => {
    while (true) {
      const buffer = new Uint8Array(65536);
      const count = await from.read(buffer);
      if (count === null) break;
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
