/** Connections to Redis over the sockets of the load benchmark, and the part of its protocol they need. */

import type { ScriptCall } from "../../src/cluster/redis/scripts/shared.ts";
import type { SocketOwner, Sockets } from "../load/tcp.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1"); // A character for each byte.
const LINE_END = "\r\n";

/** A command as it is sent. */
export function encodeCommand(words: readonly string[]): Uint8Array<ArrayBuffer> {
  const parts = words.map((word) => `$${encoder.encode(word).length}${LINE_END}${word}${LINE_END}`);
  return encoder.encode(`*${words.length}${LINE_END}${parts.join("")}`);
}

/** A call of a script that Redis knows by this hash. */
export function encodeCall({ keys, args }: ScriptCall, hash: string): Uint8Array<ArrayBuffer> {
  return encodeCommand(["EVALSHA", hash, String(keys.length), ...keys, ...args]);
}

/** Where the reply that starts at a place ends; -1 if it has not come as a whole. */
function endOfReply(text: string, start: number): number {
  const lineEnd = text.indexOf(LINE_END, start);
  if (lineEnd < 0) return -1;
  const after = lineEnd + LINE_END.length;
  const size = Number(text.slice(start + 1, lineEnd));
  switch (text[start]) {
    case "$": {
      const end = size < 0 ? after : after + size + LINE_END.length;
      return end <= text.length ? end : -1;
    }
    case "*": {
      let end = after;
      for (let n = 0; n < size && end >= 0; n++) end = endOfReply(text, end);
      return end;
    }
    default:
      return after;
  }
}

/** One connection. */
export class RespConnection implements SocketOwner {
  /** Called for each reply, and each message of a subscription. */
  onReply: (text: string) => void = () => {};
  readonly #sockets: Sockets;
  readonly #socket: number;
  #text = "";

  constructor(sockets: Sockets, port: number) {
    this.#sockets = sockets;
    this.#socket = sockets.connect(port, this);
  }

  /** Sends a command. */
  send(command: Uint8Array<ArrayBuffer>): void {
    this.#sockets.send(this.#socket, command);
  }

  /** Sends a command and waits for its reply. */
  ask(...words: string[]): string {
    let reply: string | undefined;
    this.onReply = (text) => reply = text;
    this.send(encodeCommand(words));
    while (reply === undefined) this.#sockets.poll(100);
    if (reply.startsWith("-")) throw new Error(`Redis answered ${reply}`);
    return reply;
  }

  /** Ends the connection. */
  close(): void {
    this.#sockets.close(this.#socket);
  }

  received(bytes: Uint8Array): void {
    this.#text += decoder.decode(bytes);
    let start = 0;
    for (let end = endOfReply(this.#text, 0); end > 0; end = endOfReply(this.#text, start)) {
      const reply = this.#text.slice(start, end);
      start = end;
      this.onReply(reply);
    }
    this.#text = this.#text.slice(start);
  }

  ended(): void {
    throw new Error("Redis has ended a connection");
  }
}
