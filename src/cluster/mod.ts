/**
 * What connects several instances, so that they are one server: the interface of a backplane, and one
 * for the handlers of a single process. `./redis` has the one for many processes; write your own by
 * implementing {@linkcode Backplane}.
 *
 * @example A backplane of your own, here one that counts what it sends
 * ```ts
 * import { createSignalingHandler } from "@aikofy/client-db-sync";
 * import {
 *   type Backplane,
 *   createMemoryBackplane,
 *   type Envelope,
 * } from "@aikofy/client-db-sync/backplane";
 * import { assertEquals } from "@std/assert";
 *
 * let sent = 0;
 * function counting(inner: Backplane): Backplane {
 *   return {
 *     start: (listener) => inner.start(listener),
 *     join: (...claim) => inner.join(...claim),
 *     update: (...change) => inner.update(...change),
 *     leave: (...member) => inner.leave(...member),
 *     send(envelope: Envelope) {
 *       sent++;
 *       return inner.send(envelope);
 *     },
 *     reportUndeliverable: (...report) => inner.reportUndeliverable(...report),
 *     audit: (views) => inner.audit(views),
 *     authFailed: (address) => inner.authFailed(address),
 *     post: (...message) => inner.post(...message),
 *     storeRevocations: (revocations) => inner.storeRevocations(revocations),
 *     loadRevocations: () => inner.loadRevocations(),
 *     close: () => inner.close(),
 *   };
 * }
 *
 * const backplane = counting(createMemoryBackplane().connect());
 * await using handler = await createSignalingHandler({ authEnabled: false, backplane });
 * assertEquals([handler.stats().rooms, sent], [0, 0]);
 * ```
 *
 * @module
 */

export {
  type AuditReply,
  type Backplane,
  type BackplaneListener,
  type Envelope,
  type EnvelopeHeader,
  isSameMember,
  type JoinMode,
  type JoinOptions,
  type JoinReply,
  type Member,
  type MemberId,
  type OrderedMember,
  type PostReply,
  type RoomEvent,
  type RoomView,
  type SendOutcome,
  summarize,
  type SummarizedMember,
  type UndeliverableReason,
} from "./backplane.ts";
export type { Revocation } from "../access/revocations.ts";
export type { JoinRefusal } from "../rooms/names.ts";
export type { RoomLimits } from "../rooms/room.ts";
export {
  createMemoryBackplane,
  type MemoryBackplane,
  type MemoryBackplaneOptions,
} from "./memory_backplane.ts";
