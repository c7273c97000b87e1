/** A backplane over a `createMemoryBackplane` that fails and recovers when a test says so. */

import type { Backplane, BackplaneListener } from "../../src/cluster/backplane.ts";
import type { MemoryBackplane } from "../../src/cluster/memory_backplane.ts";

export class BreakableBackplane implements Backplane {
  readonly #memory: MemoryBackplane;
  #inner: Backplane | undefined;
  #listener: BackplaneListener | undefined;
  /** Whether it has been closed by the instance that it is for. */
  isClosed = false;

  constructor(memory: MemoryBackplane) {
    this.#memory = memory;
  }

  start(listener: BackplaneListener): void {
    this.#listener = listener;
    this.recover();
  }

  /** It does not work from now on; the others see this instance leave. */
  fail(): void {
    this.#inner?.close();
    this.#inner = undefined;
    this.#listener?.down("told to");
  }

  recover(): void {
    if (this.#inner !== undefined || this.#listener === undefined || this.isClosed) return;
    this.#inner = this.#memory.connect();
    this.#inner.start(this.#listener);
  }

  join: Backplane["join"] = (...of) => this.#use((inner) => inner.join(...of));
  update: Backplane["update"] = (...of) => this.#inner?.update(...of);
  leave: Backplane["leave"] = (...of) => this.#inner?.leave(...of);
  send: Backplane["send"] = (...of) => this.#use((inner) => inner.send(...of));
  reportUndeliverable: Backplane["reportUndeliverable"] = (...of) =>
    this.#inner?.reportUndeliverable(...of);
  audit: Backplane["audit"] = (...of) => this.#use((inner) => inner.audit(...of));
  authFailed: Backplane["authFailed"] = (...of) => this.#inner?.authFailed(...of);
  post: Backplane["post"] = (...of) => this.#use((inner) => inner.post(...of));
  storeRevocations: Backplane["storeRevocations"] = (...of) =>
    this.#use((inner) => inner.storeRevocations(...of));
  loadRevocations: Backplane["loadRevocations"] = () =>
    this.#use((inner) => inner.loadRevocations());

  async close(): Promise<void> {
    this.isClosed = true;
    await this.#inner?.close();
  }

  #use<T>(act: (inner: Backplane) => Promise<T>): Promise<T> {
    return this.#inner === undefined ? Promise.reject(new Error("down")) : act(this.#inner);
  }
}
