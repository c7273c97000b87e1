/** The states of a session. The session alone changes its state; session.ts shows when. */

import type { Admission, Identity } from "../access/admission.ts";
import type { Room } from "../rooms/room.ts";

/** A session that awaits a promise; `verifying` keeps the room of a peer that has joined before. */
export type Awaiting =
  | { readonly kind: "verifying"; readonly room: Room | undefined }
  | { readonly kind: "joining" };

/** What a session knows of its client. */
export type State =
  | { readonly kind: "unopened"; readonly admission: Admission | Promise<Admission> }
  | Awaiting
  | { readonly kind: "unregistered" }
  | { readonly kind: "joined"; readonly room: Room }
  | { readonly kind: "ended" };

/** The identity of a client that is not admitted yet. */
export const NO_IDENTITY: Identity = { room: "", nodeId: "", canJoinAsNormal: false };

/** The state of a client that was admitted and has not joined. */
export const UNREGISTERED: State = { kind: "unregistered" };

/** The state of a session whose socket is closed or told to close. */
export const ENDED: State = { kind: "ended" };
