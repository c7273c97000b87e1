/**
 * Finds instances that are dead, by counting this instance's own heartbeats during which another has
 * sent none. It compares no times: the clock of Redis may be set, and a machine may be suspended.
 */

/** Heartbeats during which an instance may be silent before the others remove its members: 10 s. */
const MAX_SILENT_HEARTBEATS = 20;

/** The same when nobody subscribes to its channel, as after a kill: 3 s. */
export const MAX_SILENT_WITHOUT_SUBSCRIBER = 6;

interface Watched {
  heartbeats: number;
  /** Heartbeats of this instance since the other sent its last. */
  silentFor: number;
}

/** An instance that has been silent for a while. */
export interface SilentInstance {
  readonly instance: string;
  /** The heartbeats that it has sent. */
  readonly heartbeats: number;
  /** Whether it is dead even if somebody subscribes to its channel. */
  readonly isTimedOut: boolean;
}

/** The other instances, as one instance observes them. */
export class InstanceWatch {
  #watched = new Map<string, Watched>();

  /** The heartbeats that an instance had sent at the last observation, if it was there. */
  heartbeatsOf(instance: string): number | undefined {
    return this.#watched.get(instance)?.heartbeats;
  }

  /** Takes the heartbeats of every instance, once per heartbeat of its own; returns the silent ones. */
  observe(all: ReadonlyMap<string, number>, own: string): SilentInstance[] {
    const watched = new Map<string, Watched>();
    const silent: SilentInstance[] = [];
    for (const [instance, heartbeats] of all) {
      const before = this.#watched.get(instance);
      const isSilent = before?.heartbeats === heartbeats;
      const silentFor = isSilent ? before.silentFor + 1 : 0;
      watched.set(instance, { heartbeats, silentFor });
      if (instance === own || silentFor < MAX_SILENT_WITHOUT_SUBSCRIBER) continue;
      const isTimedOut = silentFor >= MAX_SILENT_HEARTBEATS;
      silent.push({ instance, heartbeats, isTimedOut });
    }
    this.#watched = watched;
    return silent;
  }
}
