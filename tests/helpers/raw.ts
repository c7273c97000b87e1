/** Clients that do not behave: bare TCP, bytes as the test says, and no closing handshake. */

/** Connects, sends these bytes as they are and reads until the server ends or `until` matches. */
export async function exchange(port: number, request: string, until?: RegExp): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(request));
  return await readUntil(connection, until);
}

async function readUntil(connection: Deno.Conn, until: RegExp | undefined): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(65536);
  let text = "";
  while (until === undefined || !until.test(text)) {
    const count = await connection.read(buffer).catch(() => null);
    if (count === null) break;
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
  return text;
}

/** The head of a WebSocket handshake. */
export function handshake(target: string, headers: readonly string[] = []): string {
  return [
    `GET ${target} HTTP/1.1`,
    "Host: localhost",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
    "",
    "",
  ].join("\r\n");
}

/**
 * A WebSocket that has shaken hands and then does only what it is told: it never reads unless asked
 * and never answers pings or close frames.
 */
export async function openRaw(port: number, target: string): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(handshake(target)));
  const head = await readUntil(connection, /\r\n\r\n/);
  if (!head.startsWith("HTTP/1.1 101")) throw new Error(`No upgrade: ${head}`);
  return connection;
}

/** A masked frame with a short or medium payload (RFC 6455, section 5.2). */
export function frame(opcode: number, payload: string | Uint8Array, isFinal = true): Uint8Array {
  const data = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  const length = data.length < 126
    ? [0x80 | data.length]
    : [0x80 | 126, data.length >> 8, data.length & 255];
  const mask = [1, 2, 3, 4];
  return new Uint8Array([
    (isFinal ? 0x80 : 0) | opcode,
    ...length,
    ...mask,
    ...data.map((byte, index) => byte ^ (mask[index % 4] ?? 0)),
  ]);
}
