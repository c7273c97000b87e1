/** What a list costs when a consumer registers, and what it costs when a server keeps changing. */

import { type Clock, systemClock, type Timer } from "../src/runtime/clock.ts";
import { createRooms } from "../src/rooms/rooms.ts";
import { SilentPeer } from "../tests/helpers/peer.ts";

for (const size of [2, 50, 1000]) {
  const { registry, director } = createRooms({ clock: systemClock });
  const consumer = new SilentPeer("consumer", "consumer");
  const { room } = registry.join("room", consumer);
  for (let number = 0; number < size; number++) {
    registry.join("room", new SilentPeer(`server-${number}`));
  }
  const group = `${size} servers`;
  Deno.bench(`the ids, ${group}`, { group, baseline: true }, () => {
    room.normals().map(({ id }) => id);
  });
  Deno.bench(`rotated list, ${group}`, { group }, () => {
    director.register(room, consumer);
  });
}

/** A clock whose time passes by itself, five milliseconds with every call of `tick`. */
class SteppingClock implements Clock {
  #now = 0;
  readonly #calls = new Map<number, { at: number; callback: () => void }>();
  #lastId = 0;

  now(): number {
    return this.#now;
  }

  elapsed(): number {
    return this.#now;
  }

  setTimeout(callback: () => void, delayMs: number): number {
    this.#calls.set(++this.#lastId, { at: this.#now + delayMs, callback });
    return this.#lastId;
  }

  clearTimeout(timer: Timer): void {
    this.#calls.delete(Number(timer));
  }

  tick(): void {
    this.#now += 5;
    for (const [id, { at, callback }] of this.#calls) {
      if (at > this.#now || !this.#calls.delete(id)) continue;
      callback();
    }
  }
}

for (const size of [1, 500]) {
  const clock = new SteppingClock();
  const { registry, director } = createRooms({ clock });
  const flapping = new SilentPeer("server");
  const { room } = registry.join("room", flapping);
  for (let number = 0; number < size; number++) {
    const consumer = new SilentPeer(`consumer-${number}`, "consumer");
    registry.join("room", consumer);
    director.register(room, consumer);
    clock.tick();
  }
  Deno.bench(`a second of a server that flaps 200 times, ${size} consumers`, () => {
    for (let n = 0; n < 200; n++) {
      flapping.servingState = { ...flapping.servingState, serveConsumers: n % 2 === 0 };
      registry.update(room, flapping);
      clock.tick();
    }
  });
}
