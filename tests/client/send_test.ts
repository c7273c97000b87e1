/** Sending over a channel that has too much to send. */

import { assertEquals, assertRejects } from "@std/assert";
import { type DataChannel, sendWhenReady } from "../../src/client/mod.ts";

/** A channel whose other side reads nothing until it is told to. */
class SlowChannel extends EventTarget implements DataChannel {
  binaryType: "arraybuffer" | "blob" = "arraybuffer";
  bufferedAmount = 0;
  bufferedAmountLowThreshold = 0;
  readonly id = 0;
  readonly label = "";
  readyState: DataChannel["readyState"] = "connecting";
  readonly sent: (string | ArrayBuffer)[] = [];

  send(data: string | ArrayBuffer): void {
    if (this.readyState !== "open") throw new DOMException("not open", "InvalidStateError");
    this.sent.push(data);
    this.bufferedAmount += typeof data === "string" ? data.length : data.byteLength;
  }

  open(): void {
    this.readyState = "open";
    this.dispatchEvent(new Event("open"));
  }

  close(): void {
    this.readyState = "closed";
    this.dispatchEvent(new Event("close"));
  }

  drainTo(bytes: number): void {
    this.bufferedAmount = bytes;
    if (bytes <= this.bufferedAmountLowThreshold) {
      this.dispatchEvent(new Event("bufferedamountlow"));
    }
  }
}

async function isSettled(promise: Promise<void>): Promise<boolean> {
  let settled = false;
  const settle = (): void => void (settled = true);
  promise.then(settle, settle);
  for (let n = 0; n < 10; n++) await Promise.resolve();
  return settled;
}

Deno.test("sendWhenReady: it waits for the channel to open, and for a quarter once it is full", async () => {
  const channel = new SlowChannel();
  const first = sendWhenReady(channel, "12345", 8);
  assertEquals([await isSettled(first), channel.sent], [false, []]);
  channel.open();
  assertEquals([await isSettled(first), channel.sent], [true, ["12345"]]);

  const second = sendWhenReady(channel, new ArrayBuffer(5), 8);
  assertEquals([await isSettled(second), channel.sent.length], [false, 2]);
  channel.drainTo(3);
  assertEquals(await isSettled(second), false);
  channel.drainTo(2);
  await second;
});

Deno.test("sendWhenReady: it rejects when the channel closes, and when it is closed already", async () => {
  const channel = new SlowChannel();
  const early = sendWhenReady(channel, "a");
  channel.close();
  await assertRejects(() => early, Error, "closed");
  await assertRejects(() => sendWhenReady(channel, "b"), DOMException, "not open");
  const full = new SlowChannel();
  full.open();
  const waiting = sendWhenReady(full, "12345", 4);
  assertEquals(await isSettled(waiting), false);
  full.close();
  await assertRejects(() => waiting, Error, "closed");
});
