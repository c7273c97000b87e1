/** The names of all keys and channels in Redis; `docs/redis.md` describes what each contains. */

/** The keys and channels of one server. */
export class RedisKeys {
  /** What all begin with. */
  readonly prefix: string;
  /** How many heartbeats each instance has sent. */
  readonly instances: string;
  /** The channel of all instances. */
  readonly all: string;

  constructor(prefix: string) {
    this.prefix = prefix;
    this.instances = `${prefix}instances`;
    this.all = `${prefix}all`;
  }

  /** The members of a room. */
  members(room: string): string {
    return `${this.prefix}room:${room}`;
  }

  /** The counters of a room. */
  meta(room: string): string {
    return `${this.prefix}meta:${room}`;
  }

  /** The channel of an instance. */
  channel(instance: string): string {
    return `${this.prefix}to:${instance}`;
  }
}
