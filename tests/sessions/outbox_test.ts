import { assertEquals } from "@std/assert";
import { Outbox } from "../../src/sessions/outbox.ts";
import { FakeSocket } from "../helpers/socket.ts";

const MAX_BYTES = 16_000;
const [A, B, C] = [{}, {}, {}];

/** An outbox whose client reads nothing: everything that is sent waits. */
function stuck(): { outbox: Outbox; socket: FakeSocket } {
  const socket = new FakeSocket();
  socket.send = (text) => void (socket.bufferedAmount += text.length);
  return { outbox: new Outbox(socket, MAX_BYTES), socket };
}

/** Sends signals of one sender until one is refused; returns how many were sent. */
function fill(outbox: Outbox, sender: object, length = 100): number {
  for (let count = 0;; count++) {
    if (outbox.signal("x".repeat(length), sender) !== "sent") return count;
  }
}

Deno.test("Outbox refuses the sender that fills it at the bound, and lets others through", () => {
  const { outbox, socket } = stuck();
  assertEquals(fill(outbox, A), MAX_BYTES / 100);
  assertEquals(outbox.signal("x", A), "busy");
  assertEquals(outbox.signal("x".repeat(900), B), "sent");
  assertEquals(outbox.signal("x".repeat(900), B), "busy");
  assertEquals(outbox.signal("x".repeat(900), C), "sent");
  assertEquals(socket.bufferedAmount, MAX_BYTES + 1800);
});

Deno.test("Outbox never holds more than twice the bound, however many fill it", () => {
  const { outbox, socket } = stuck();
  for (let n = 0; n < 1000; n++) fill(outbox, {}, 10);
  const waiting = socket.bufferedAmount;
  assertEquals(waiting > 1.9 * MAX_BYTES && waiting < 2 * MAX_BYTES, true, String(waiting));
  assertEquals([outbox.send("own"), outbox.signal("x".repeat(100), {})], [true, "busy"]);
  socket.bufferedAmount = 2 * MAX_BYTES + 1;
  assertEquals(outbox.send("own"), false);
});

Deno.test("Outbox forgets who filled it once most was read", () => {
  const { outbox, socket } = stuck();
  fill(outbox, A);
  socket.bufferedAmount = MAX_BYTES / 2;
  assertEquals(outbox.signal("x".repeat(100), A), "sent");
  socket.bufferedAmount = MAX_BYTES / 4;
  assertEquals(fill(outbox, A), MAX_BYTES * 3 / 4 / 100);
});

Deno.test("Outbox sends nothing once its socket is no longer open", () => {
  const { outbox, socket } = stuck();
  socket.readyState = 2;
  assertEquals([outbox.send("x"), outbox.signal("x", A)], [false, "unreachable"]);
});
