/** The states of a session. The session alone changes its state; session.ts shows when. */

import type { Admission } from "../access/admission.ts";
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

/** The state of a client that was admitted and has not joined. */
export const UNREGISTERED: State = { kind: "unregistered" };

/** The state of a session whose socket is closed or told to close. */
export const ENDED: State = { kind: "ended" };
