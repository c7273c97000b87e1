/**
 * TCP over libc and epoll, called directly: a relayed message costs the load generator about half of
 * what `Deno.connect` or `node:net` take, so that it is not the bottleneck, and it waits for nothing
 * but its sockets. Linux with glibc, loopback only.
 */

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
});

const AF_INET = 2;
const SOCK_STREAM = 1;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const EPOLL_ADD = 1;
const EPOLL_MODIFY = 3;
const READABLE = 1;
const WRITABLE = 4;
const BROKEN = 8 | 16;

/** `struct epoll_event` is packed on x86_64 alone. */
const EVENT = Deno.build.arch === "x86_64" ? { size: 12, data: 4 } : { size: 16, data: 8 };
const EVENTS_AT_ONCE = 512;
const READ_BYTES = 262_144n;

/** What a socket calls. */
export interface SocketOwner {
  /** Bytes have come; they are gone after the call. */
  received(bytes: Uint8Array): void;
  /** The server has ended the connection. */
  ended(): void;
}

interface Entry {
  readonly owner: SocketOwner;
  /** What the kernel would not take yet. */
  unsent: Uint8Array[];
}

/** All sockets of the generator. */
export class Sockets {
  readonly #epoll = libc.epoll_create1(0);
  readonly #entries: (Entry | undefined)[] = [];
  readonly #events = new Uint8Array(EVENT.size * EVENTS_AT_ONCE);
  readonly #eventView = new DataView(this.#events.buffer);
  readonly #buffer = new Uint8Array(Number(READ_BYTES));
  #open = 0;
  #bytesReceived = 0;

  /** How many sockets are open. */
  get open(): number {
    return this.#open;
  }

  /** Bytes received on all sockets so far. */
  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  /** Connects to a port of this machine. */
  connect(port: number, owner: SocketOwner): number {
    const socket = libc.socket(AF_INET, SOCK_STREAM, 0);
    if (socket < 0) throw new Error("No socket: raise the limit of open files (ulimit -n)");
    const address = new Uint8Array(16);
    new DataView(address.buffer).setUint16(0, AF_INET, true);
    new DataView(address.buffer).setUint16(2, port);
    address.set([127, 0, 0, 1], 4);
    if (libc.connect(socket, address, address.length) !== 0) {
      libc.close(socket);
      throw new Error(`Nobody listens on port ${port}`);
    }
    libc.setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, new Uint8Array([1, 0, 0, 0]), 4);
    this.#entries[socket] = { owner, unsent: [] };
    this.#open++;
    this.#watch(EPOLL_ADD, socket, READABLE);
    return socket;
  }

  /** Sends all of it, now or as soon as the kernel takes it. */
  send(socket: number, bytes: Uint8Array<ArrayBuffer>): void {
    const entry = this.#entries[socket];
    if (entry === undefined) return;
    if (entry.unsent.length > 0) {
      entry.unsent.push(bytes);
      return;
    }
    const sent = this.#trySend(socket, bytes);
    if (sent === bytes.length) return;
    entry.unsent.push(bytes.subarray(sent));
    this.#watch(EPOLL_MODIFY, socket, READABLE | WRITABLE);
  }

  /** Closes a socket; its owner is not called again. */
  close(socket: number): void {
    if (this.#entries[socket] === undefined) return;
    this.#entries[socket] = undefined;
    this.#open--;
    libc.close(socket);
  }

  /** Serves what there is to serve, waiting for it for so many milliseconds at most. */
  poll(timeoutMs: number): void {
    const count = libc.epoll_wait(this.#epoll, this.#events, EVENTS_AT_ONCE, timeoutMs);
    for (let index = 0; index < count; index++) {
      const flags = this.#eventView.getUint32(index * EVENT.size, true);
      const socket = this.#eventView.getInt32(index * EVENT.size + EVENT.data, true);
      const entry = this.#entries[socket];
      if (entry === undefined) continue;
      if (flags & WRITABLE) this.#flush(socket, entry);
      if (flags & (READABLE | BROKEN)) this.#read(socket, entry);
    }
  }

  #read(socket: number, { owner }: Entry): void {
    const count = Number(libc.recv(socket, this.#buffer, READ_BYTES, MSG_DONTWAIT));
    if (count <= 0) {
      this.close(socket);
      owner.ended();
    } else {
      this.#bytesReceived += count;
      owner.received(this.#buffer.subarray(0, count));
    }
  }

  #flush(socket: number, entry: Entry): void {
    while (entry.unsent.length > 0) {
      const next = entry.unsent.shift() as Uint8Array<ArrayBuffer>;
      const sent = this.#trySend(socket, next);
      if (sent < next.length) {
        entry.unsent.unshift(next.subarray(sent));
        return;
      }
    }
    this.#watch(EPOLL_MODIFY, socket, READABLE);
  }

  #trySend(socket: number, bytes: Uint8Array<ArrayBuffer>): number {
    const sent = libc.send(socket, bytes, BigInt(bytes.length), MSG_DONTWAIT | MSG_NOSIGNAL);
    return Math.max(Number(sent), 0);
  }

  #watch(operation: number, socket: number, flags: number): void {
    const event = new Uint8Array(EVENT.size);
    const view = new DataView(event.buffer);
    view.setUint32(0, flags, true);
    view.setInt32(EVENT.data, socket, true);
    libc.epoll_ctl(this.#epoll, operation, socket, event);
  }
}
