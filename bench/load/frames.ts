/** WebSocket frames (RFC 6455, section 5): those of a client are written, those of a server read. */

/** The kinds of frame that come. */
export const OPCODE = { text: 1, close: 8, ping: 9, pong: 10 } as const;

const FINAL = 0x80;
const MASKED = 0x80;
const MASK = [0x5a, 0x0f, 0xc3, 0x99] as const;
const encoder = new TextEncoder();

/** A masked frame. */
export function frameOf(
  content: string | Uint8Array,
  opcode: number = OPCODE.text,
): Uint8Array<ArrayBuffer> {
  const payload = typeof content === "string" ? encoder.encode(content) : content;
  const { length } = payload;
  const lengthBytes = length < 126 ? 0 : length < 65536 ? 2 : 8;
  const start = 2 + lengthBytes + MASK.length;
  const frame = new Uint8Array(start + length);
  const view = new DataView(frame.buffer);
  frame[0] = FINAL | opcode;
  frame[1] = MASKED | (lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127);
  if (lengthBytes === 2) view.setUint16(2, length);
  if (lengthBytes === 8) view.setBigUint64(2, BigInt(length));
  frame.set(MASK, start - MASK.length);
  for (let index = 0; index < length; index++) {
    frame[start + index] = (payload[index] ?? 0) ^ (MASK[index & 3] ?? 0);
  }
  return frame;
}

/** A close frame with code 1000. */
export const CLOSE_FRAME: Uint8Array<ArrayBuffer> = frameOf(
  new Uint8Array([0x03, 0xe8]),
  OPCODE.close,
);

/** Takes the frames of one server connection out of what is read from it. */
export class FrameReader {
  readonly #onFrame: (opcode: number, payload: Uint8Array) => void;
  /** A frame that has not come as a whole. */
  #parts: Uint8Array[] = [];
  #held = 0;
  /** Bytes that it has at least. */
  #needed = 0;

  /** `onFrame` may keep the payload only for the time of the call. */
  constructor(onFrame: (opcode: number, payload: Uint8Array) => void) {
    this.#onFrame = onFrame;
  }

  /** Reads on. */
  read(bytes: Uint8Array): void {
    if (this.#held > 0) {
      this.#parts.push(bytes.slice());
      this.#held += bytes.length;
      if (this.#held < this.#needed) return;
      const joined = new Uint8Array(this.#held);
      let at = 0;
      for (const part of this.#parts) {
        joined.set(part, at);
        at += part.length;
      }
      this.#parts = [];
      this.#held = 0;
      this.#take(joined);
    } else this.#take(bytes);
  }

  #take(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const left = bytes.length - at;
      const short = left < 2 ? 0 : (bytes[at + 1] ?? 0) & 127;
      const start = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (left < start) return this.#hold(bytes, at, start);
      let length = short < 126 ? short : 0;
      for (let index = at + 2; index < at + start; index++) {
        length = length * 256 + (bytes[index] ?? 0);
      }
      const end = at + start + length;
      if (end > bytes.length) return this.#hold(bytes, at, start + length);
      const first = bytes[at] ?? 0;
      if ((first & FINAL) === 0) throw new Error("The server has sent a fragment");
      at = end;
      this.#onFrame(first & 15, bytes.subarray(end - length, end));
    }
  }

  #hold(bytes: Uint8Array, at: number, needed: number): void {
    this.#parts = [bytes.slice(at)];
    this.#held = bytes.length - at;
    this.#needed = needed;
  }
}
