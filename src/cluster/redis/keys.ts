/** The names of all keys and channels in Redis; `docs/redis.md` describes what each contains. */

/** The keys and channels of one server. */
export class RedisKeys {
  /** What all begin with. */
  readonly prefix: string;
  /** How many heartbeats each instance has sent. */
  readonly instances: string;
  /** The channel of all instances. */
  readonly all: string;
  /** The revocations of tokens. */
  readonly revocations: string;
  /** When each revocation expires. */
  readonly revocationEnds: string;

  constructor(prefix: string) {
    this.prefix = prefix;
    this.instances = `${prefix}instances`;
    this.all = `${prefix}all`;
    this.revocations = `${prefix}revocations`;
    this.revocationEnds = `${prefix}revocation-ends`;
  }

  /** The members of a room. */
  members(room: string): string {
    return `${this.prefix}room:${room}`;
  }

  /** The counters of a room. */
  meta(room: string): string {
    return `${this.prefix}meta:${room}`;
  }

  /** The takeovers of a name. */
  takeovers(room: string, id: string): string {
    return `${this.prefix}takeovers:${JSON.stringify([room, id])}`;
  }

  /** The channel of an instance. */
  channel(instance: string): string {
    return `${this.prefix}to:${instance}`;
  }
}
