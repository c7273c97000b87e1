/** Bounds how many asynchronous tasks run at once; the others wait in the order of their arrival. */

/** A number of permits. Shape of `Semaphore` in `@std/async`. */
export class Semaphore {
  readonly #waiting: ((permit: Disposable) => void)[] = [];
  #free: number;

  /** Hands out `max` permits at once. */
  constructor(max: number) {
    this.#free = max;
  }

  /** Waits for a permit: `using permit = await semaphore.acquire()` releases it in any case. */
  acquire(): Promise<Disposable> {
    if (this.#free > 0) {
      this.#free--;
      return Promise.resolve(this.#permit());
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #permit(): Disposable {
    let isReleased = false;
    return {
      [Symbol.dispose]: () => {
        if (isReleased) return;
        isReleased = true;
        const next = this.#waiting.shift();
        if (next === undefined) this.#free++;
        else next(this.#permit());
      },
    };
  }
}
