/** The frames of a WebSocket (RFC 6455, section 5): what a client writes, and what it reads. */

/** The kinds of frames that a client meets. */
export const OPCODE = { continuation: 0, text: 1, close: 8, ping: 9, pong: 10 } as const;

/** The longest frame of a server that is read. */
const MAX_FRAME_BYTES = 1 << 20;

/** One frame of the server's. */
export interface Frame {
  readonly opcode: number;
  readonly isFinal: boolean;
  readonly payload: Uint8Array;
  /** Its length with its head. */
  readonly size: number;
}

/** A frame of a client, which is masked. */
export function encodeFrame(opcode: number, payload: Uint8Array): Uint8Array {
  const { length } = payload;
  const head = length < 126
    ? [0x80 | opcode, 0x80 | length]
    : [0x80 | opcode, 0x80 | 126, length >> 8 & 255, length & 255];
  const mask = crypto.getRandomValues(new Uint8Array(4));
  const frame = new Uint8Array(head.length + mask.length + length);
  frame.set(head);
  frame.set(mask, head.length);
  const start = head.length + mask.length;
  for (let index = 0; index < length; index++) {
    frame[start + index] = (payload[index] ?? 0) ^ (mask[index % mask.length] ?? 0);
  }
  return frame;
}

/**
 * Reads the frame that some bytes begin with.
 *
 * @returns The frame, `undefined` if bytes are missing.
 * @throws {RangeError} It is longer than any message of this server.
 */
export function decodeFrame(bytes: Uint8Array): Frame | undefined {
  const [first = 0, second = 0] = bytes;
  const short = second & 127;
  const extra = short < 126 ? 0 : short === 126 ? 2 : 8;
  const start = 2 + extra;
  if (bytes.length < start) return undefined;
  const length = extra === 0
    ? short
    : bytes.subarray(2, start).reduce((sum, byte) => sum * 256 + byte, 0);
  if (length > MAX_FRAME_BYTES) throw new RangeError("A frame is too long");
  if (bytes.length < start + length) return undefined;
  return {
    opcode: first & 15,
    isFinal: first >= 0x80,
    payload: bytes.slice(start, start + length),
    size: start + length,
  };
}
