/** A backplane over a `createMemoryBackplane` that takes its time, as one over a network does, and can fail. */

import type {
  AuditReply,
  Backplane,
  BackplaneListener,
  JoinReply,
  PostReply,
  RoomView,
  SendOutcome,
} from "../../src/cluster/backplane.ts";
import type { Revocation } from "../../src/access/revocations.ts";
import type { MemoryBackplane } from "../../src/cluster/memory_backplane.ts";

/** What is under way arrives when a test lets it; what is when the backplane fails never does. */
export class SlowBackplane implements Backplane {
  readonly #memory: MemoryBackplane;
  #inner: Backplane | undefined;
  #listener: BackplaneListener | undefined;
  /** The name of the instance while the backplane works. */
  instance = "";
  /** Whether the next claim is rejected, though it may have succeeded. */
  rejectsNext = false;
  #isClosed = false;
  /** What was said, heard and answered, each in order. */
  #queues: (() => void)[][] = [[], [], []];

  constructor(memory: MemoryBackplane) {
    this.#memory = memory;
  }

  /** How much is under way. */
  get waiting(): number {
    return this.#queues.flat().length;
  }

  /** Lets one thing arrive, of the first kind from there on that has one. */
  advance(from: number): void {
    for (let n = 0; n < 3; n++) {
      const act = this.#queues[(from + n) % 3]?.shift();
      if (act !== undefined) return act();
    }
  }

  start(listener: BackplaneListener): void {
    this.#listener = listener;
    this.recover();
  }

  fail(): void {
    if (this.#inner === undefined) return;
    this.#queues = [[], [], []];
    this.#inner.close();
    this.#inner = undefined;
    this.instance = "";
    this.#listener?.down("told to");
  }

  recover(): void {
    if (this.#inner !== undefined || this.#listener === undefined || this.#isClosed) return;
    const inner = this.#inner = this.#memory.connect();
    inner.start({
      up: (instance) => {
        this.instance = instance;
        this.#listener?.up(instance);
      },
      down() {},
      roomChanged: (event) => {
        if (inner === this.#inner) this.#queues[1]?.push(() => this.#listener?.roomChanged(event));
      },
      received() {},
      undeliverable() {},
      membersLost: (room) => {
        if (inner === this.#inner) this.#queues[1]?.push(() => this.#listener?.membersLost(room));
      },
      roomsListed: (rooms) => {
        if (inner === this.#inner) this.#queues[1]?.push(() => this.#listener?.roomsListed(rooms));
      },
      warn() {},
      authFailed() {},
      posted: (...message) => {
        if (inner === this.#inner) this.#queues[1]?.push(() => this.#listener?.posted(...message));
      },
    });
  }

  join(...args: Parameters<Backplane["join"]>): Promise<JoinReply> {
    const isRejected = this.rejectsNext;
    this.rejectsNext = false;
    return new Promise((resolve, reject) =>
      this.#say(async (inner) => {
        const reply = await inner.join(...args);
        if (inner !== this.#inner) return;
        this.#queues[2]?.push(() => isRejected ? reject(new Error("told to")) : resolve(reply));
      })
    );
  }

  update(...args: Parameters<Backplane["update"]>): void {
    this.#say((inner) => inner.update(...args));
  }

  leave(...args: Parameters<Backplane["leave"]>): void {
    this.#say((inner) => inner.leave(...args));
  }

  audit(views: readonly RoomView[]): Promise<AuditReply> {
    return new Promise((resolve) =>
      this.#say(async (inner) => {
        const reply = await inner.audit(views);
        if (inner === this.#inner) this.#queues[1]?.push(() => resolve(reply));
      })
    );
  }

  send(): Promise<SendOutcome> {
    return Promise.resolve("not found");
  }

  reportUndeliverable(): void {}

  authFailed(): void {}

  post(...args: Parameters<Backplane["post"]>): Promise<PostReply> {
    return new Promise((resolve) =>
      this.#say(async (inner) => {
        const reply = await inner.post(...args);
        if (inner === this.#inner) this.#queues[2]?.push(() => resolve(reply));
      })
    );
  }

  storeRevocations(...args: Parameters<Backplane["storeRevocations"]>): Promise<void> {
    return new Promise((resolve) =>
      this.#say(async (inner) => {
        await inner.storeRevocations(...args);
        if (inner === this.#inner) this.#queues[2]?.push(resolve);
      })
    );
  }

  loadRevocations(): Promise<readonly Revocation[]> {
    return new Promise((resolve) =>
      this.#say(async (inner) => {
        const stored = await inner.loadRevocations();
        if (inner === this.#inner) this.#queues[2]?.push(() => resolve(stored));
      })
    );
  }

  close(): Promise<void> {
    const inner = this.#inner;
    this.#inner = undefined;
    this.#isClosed = true;
    this.#queues = [[], [], []];
    return inner?.close() ?? Promise.resolve();
  }

  #say(act: (inner: Backplane) => void): void {
    const inner = this.#inner;
    if (inner !== undefined) this.#queues[0]?.push(() => act(inner));
  }
}
