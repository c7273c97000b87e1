/**
 * The names of all keys and channels in Redis; `docs/redis.md` describes what each contains. The
 * prefix has no brace, so that the tag shows where it ends: two prefixes never make the same name.
 */

/** What tells the keys and channels of one server from those of others with the same prefix. */
export interface RedisKeysOptions {
  /** A hash tag: the number of the database, or what chooses the slot of a Redis Cluster; "0". */
  readonly tag?: string;
  /** What comes after the tag, so that a check uses no key of an instance. */
  readonly below?: string;
}

/** The keys and channels of one server, which are in one slot of a Redis Cluster. */
export class RedisKeys {
  /** What all begin with. */
  readonly root: string;
  /** How many heartbeats each instance has sent. */
  readonly instances: string;
  /** The channel of all instances. */
  readonly all: string;
  /** The revocations of tokens. */
  readonly revocations: string;
  /** When each revocation expires. */
  readonly revocationEnds: string;

  constructor(prefix: string, { tag = "0", below = "" }: RedisKeysOptions = {}) {
    // Publishing ignores databases: without the tag two of them would share their channels.
    this.root = `${prefix}{${tag}}${below}`;
    this.instances = `${this.root}instances`;
    this.all = `${this.root}all`;
    this.revocations = `${this.root}revocations`;
    this.revocationEnds = `${this.root}revocation-ends`;
  }

  /** The members of a room. */
  members(room: string): string {
    return `${this.root}room:${room}`;
  }

  /** The counters of a room. */
  meta(room: string): string {
    return `${this.root}meta:${room}`;
  }

  /** The rooms in which an instance has members. */
  rooms(instance: string): string {
    return `${this.root}rooms:${instance}`;
  }

  /** The takeovers of a name. */
  takeovers(room: string, id: string): string {
    return `${this.root}takeovers:${JSON.stringify([room, id])}`;
  }

  /** The channel of an instance. */
  channel(instance: string): string {
    return `${this.root}to:${instance}`;
  }
}
