/** A socket that never touches a network: it records what a session does with it. */

import type { SocketLike } from "../../src/sessions/context.ts";

export class FakeSocket implements SocketLike {
  readyState = 1;
  bufferedAmount = 0;
  /** The frames that were sent, parsed. */
  // deno-lint-ignore no-explicit-any
  readonly sent: any[] = [];
  /** The close frame that was sent, if any. */
  closedWith: { code: number; reason: string } | undefined;

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(code: number, reason: string): void {
    if (this.closedWith !== undefined) throw new Error("A socket is closed once");
    this.closedWith = { code, reason };
    this.readyState = 2;
  }
}
