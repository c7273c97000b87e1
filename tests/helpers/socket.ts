/** A socket that never touches a network: it records what a session does with it. */

import type { SocketLike } from "../../src/sessions/context.ts";
import { CLOSE, type CloseReason } from "../../src/protocol/messages.ts";

export class FakeSocket implements SocketLike {
  readyState = 1;
  bufferedAmount = 0;
  /** The frames that were sent, parsed. */
  // deno-lint-ignore no-explicit-any
  readonly sent: any[] = [];
  /** The entry of `CLOSE` that was sent as a close frame, if any. */
  closedWith: CloseReason | undefined;

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(code: number, reason: string): void {
    if (this.closedWith !== undefined) throw new Error("A socket is closed once");
    this.closedWith = Object.values(CLOSE).find((why) =>
      why.code === code && why.reason === reason
    );
    if (this.closedWith === undefined) throw new Error(`${code} ${reason} is not in CLOSE`);
    this.readyState = 2;
  }
}
