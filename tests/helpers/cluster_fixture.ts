/** One instance without sockets: its rooms, its cluster, and a backplane that a test controls. */

import type {
  AuditReply,
  Backplane,
  BackplaneListener,
  Envelope,
  EnvelopeHeader,
  JoinOptions,
  JoinReply,
  Member,
  OrderedMember,
  PostReply,
  RoomView,
  SendOutcome,
  UndeliverableReason,
} from "../../src/cluster/backplane.ts";
import { Cluster } from "../../src/cluster/cluster.ts";
import type { Revocation } from "../../src/access/revocations.ts";
import { FailureLimiter } from "../../src/access/failure_limiter.ts";
import type { LogFields } from "../../src/runtime/logger.ts";
import { createRooms } from "../../src/rooms/rooms.ts";
import { NO_LIMITS } from "./backplane_conformance.ts";
import { FakeClock } from "./clock.ts";

/** A claim that a test answers. */
export interface MadeClaim {
  readonly room: string;
  readonly member: Member;
  readonly options: JoinOptions;
  readonly answer: PromiseWithResolvers<JoinReply>;
}

/** A backplane that records what it is asked, and answers as a test says. */
export class ControlledBackplane implements Backplane {
  listener: BackplaneListener | undefined;
  readonly claims: MadeClaim[] = [];
  readonly updates: [string, Member][] = [];
  readonly left: string[] = [];
  readonly sent: Envelope[] = [];
  readonly reports: [EnvelopeHeader, UndeliverableReason][] = [];
  readonly audits: (readonly RoomView[])[] = [];
  readonly posts: { readonly text: string; readonly to: string | undefined }[] = [];
  send: (envelope: Envelope) => Promise<SendOutcome> = (envelope) => {
    this.sent.push(envelope);
    return Promise.resolve("sent");
  };
  postReply: () => Promise<PostReply> = () => Promise.resolve({ reached: [], isPartial: false });
  auditReply: () => Promise<AuditReply> = () => Promise.resolve({ missing: [], removed: 0 });

  start(listener: BackplaneListener): void {
    this.listener = listener;
  }

  join(room: string, member: Member, options: JoinOptions): Promise<JoinReply> {
    const answer = Promise.withResolvers<JoinReply>();
    this.claims.push({ room, member, options, answer });
    return answer.promise;
  }

  update(room: string, member: Member): void {
    this.updates.push([room, member]);
  }

  leave(room: string, id: string): void {
    this.left.push(`${id} from ${room}`);
  }

  reportUndeliverable(header: EnvelopeHeader, reason: UndeliverableReason): void {
    this.reports.push([header, reason]);
  }

  audit(views: readonly RoomView[]): Promise<AuditReply> {
    this.audits.push(views);
    return this.auditReply();
  }

  authFailed(): void {}

  post(text: string, to?: string): Promise<PostReply> {
    this.posts.push({ text, to });
    return this.postReply();
  }

  readonly stored: (readonly Revocation[])[] = [];
  /** What it has stored before. */
  storedBefore: readonly Revocation[] = [];

  storeRevocations(revocations: readonly Revocation[]): Promise<void> {
    this.stored.push(revocations);
    return Promise.resolve();
  }

  loadRevocations(): Promise<readonly Revocation[]> {
    return Promise.resolve(this.storedBefore);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

export class ClusterFixture {
  readonly clock = new FakeClock();
  readonly rooms = createRooms({ clock: this.clock, maxPeersPerRoom: Infinity });
  readonly registry = this.rooms.registry;
  readonly backplane = new ControlledBackplane();
  readonly logs: { level: string; message: string; fields: LogFields | undefined }[] = [];
  readonly cluster: Cluster;

  constructor() {
    const log = (level: string) => (message: string, fields?: LogFields) => {
      this.logs.push({ level, message, fields });
    };
    this.cluster = new Cluster({
      backplane: this.backplane,
      registry: this.registry,
      failures: new FailureLimiter(this.clock, Infinity),
      clock: this.clock,
      logger: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") },
      limits: NO_LIMITS,
    });
    this.cluster.start();
  }

  get listener(): BackplaneListener {
    if (this.backplane.listener === undefined) throw new Error("Not started");
    return this.backplane.listener;
  }

  /** The last claim, answered as the backplane does: by the event first. */
  grant(
    claim = this.backplane.claims.at(-1),
    joinOrder = 1,
    reply: "joined" | "joined and kept" = "joined",
  ): void {
    if (claim === undefined) throw new Error("Nothing was claimed");
    const { room, member, options } = claim;
    const isReclaim = options.mode === "reclaim" || options.mode === "restore";
    const joined = { room, member: { ...member, joinOrder }, rotation: 0, isReclaim };
    this.listener.roomChanged({ kind: "joined", ...joined });
    claim.answer.resolve(reply);
  }

  /** A member of another instance, which has joined a room. */
  addRemote(room: string, id: string, more: Partial<OrderedMember> = {}): OrderedMember {
    const member: OrderedMember = {
      id,
      instance: "other",
      number: 1,
      role: "normal",
      acceptsConsumers: true,
      consumerIdentity: "",
      joinedAt: 1,
      joinOrder: 1,
      ...more,
    };
    this.listener.roomChanged({ kind: "joined", room, member, rotation: 0, isReclaim: false });
    return member;
  }

  /** The ids in a room, in order. */
  ids(room: string): string[] {
    return this.registry.get(room)?.members().map(({ id }) => id) ?? [];
  }

  /** The messages of a level that were logged. */
  logged(level: string): string[] {
    return this.logs.filter((line) => line.level === level).map(({ message }) => message);
  }
}

/** Lets what promises have caused happen. */
export async function settle(): Promise<void> {
  for (let n = 0; n < 10; n++) await null;
}
