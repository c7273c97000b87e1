/**
 * A STUN server (RFC 8489) on loopback that sees every client under a public address, as one beyond a
 * NAT does: on one machine there is none.
 */

import { createSocket } from "node:dgram";

export interface NatStun extends AsyncDisposable {
  readonly port: number;
}

/** An address for documentation (RFC 5737), which nothing has. */
const PUBLIC_ADDRESS = [203, 0, 113, 7];

const COOKIE = [0x21, 0x12, 0xa4, 0x42];

export async function startNatStun(): Promise<NatStun> {
  const socket = createSocket("udp4");
  socket.on("message", (request, { address, port }) => {
    const isBinding = request.length >= 20 && request.readUInt16BE(0) === 1;
    if (isBinding) socket.send(answer(request.subarray(4, 20), port), port, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return {
    port: socket.address().port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

/** A success with an XOR-MAPPED-ADDRESS. */
function answer(transaction: Uint8Array, port: number): Uint8Array {
  const address = PUBLIC_ADDRESS.map((byte, index) => byte ^ (COOKIE[index] ?? 0));
  const mapped = [0, 1, (port >> 8) ^ 0x21, (port & 255) ^ 0x12, ...address];
  return new Uint8Array([0x01, 0x01, 0, 12, ...transaction, 0x00, 0x20, 0, 8, ...mapped]);
}
