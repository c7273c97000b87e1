/**
 * A socket that never touches a network: it records what a session does with it, and whatever is sent
 * must be valid.
 */

import { assertEquals } from "@std/assert";
import type { SocketLike } from "../../src/sessions/context.ts";
import type { CloseReason } from "../../src/protocol/messages.ts";
import { assertMessage } from "./schemas.ts";

export class FakeSocket implements SocketLike {
  readyState = 1;
  bufferedAmount = 0;
  /** The frames that were sent, parsed. */
  // deno-lint-ignore no-explicit-any
  readonly sent: any[] = [];
  /** The connection that the socket belongs to. */
  owner: { readonly closeReason: CloseReason | undefined } | undefined;
  /** The close frame that was sent, if any. */
  closeFrame: { code: number; reason: string } | undefined;

  /** Why the server closes the socket, if it does; the close frame may follow later. */
  get closedWith(): CloseReason | undefined {
    return this.owner?.closeReason;
  }

  send(text: string): void {
    const message = JSON.parse(text);
    assertMessage("ServerMessage", message);
    this.sent.push(message);
  }

  close(code: number, reason: string): void {
    if (this.closeFrame !== undefined) throw new Error("A socket is closed once");
    this.closeFrame = { code, reason };
    assertEquals(this.closeFrame, { code: this.closedWith?.code, reason: this.closedWith?.reason });
    this.readyState = 2;
  }
}
