/** Envelopes of one instance on their way to others: bounded, and fair between senders. */

import { assert, assertEquals } from "@std/assert";
import type { Envelope, SendOutcome } from "../../../src/cluster/backplane.ts";
import { MAX_WAITING_PER_SENDER, Outbox, WINDOW } from "../../../src/cluster/redis/outbox.ts";

const KB64 = "x".repeat(65_536);

/** An outbox whose targets answer marks when a test says so. */
class Fixture {
  now = 0;
  readonly published: string[] = [];
  readonly marks: [string, number][] = [];
  readonly outcomes: Promise<string>[] = [];
  readonly outbox = new Outbox({
    publish: ({ sender: { number }, target: { instance }, text }) => {
      this.published.push(`${number} to ${instance}: ${text.length}`);
      return Promise.resolve<SendOutcome>("sent");
    },
    publishMark: (...mark) => this.marks.push(mark),
    now: () => this.now,
  });

  send(sender: number, text: string, instance = "y"): Promise<SendOutcome> {
    const envelope: Envelope = {
      room: "r",
      type: "offer",
      from: "a",
      sender: { instance: "x", number: sender },
      to: "b",
      target: { instance, number: 1 },
      text,
    };
    return this.outbox.send(envelope);
  }

  /** The targets have received everything up to their last mark. */
  answer(): void {
    for (const [instance, position] of this.marks.splice(0)) {
      this.outbox.reached(instance, position);
    }
  }
}

/** What an outcome is by now. */
function outcomeOf(promise: Promise<SendOutcome>): Promise<SendOutcome | "waits"> {
  return Promise.race([promise, Promise.resolve().then(() => null).then(() => "waits" as const)]);
}

Deno.test("outbox: what is sent goes out at once, and little of it needs no mark", () => {
  const fixture = new Fixture();
  for (let n = 0; n < 50; n++) fixture.send(1, "x".repeat(1000));
  assertEquals([fixture.published.length, fixture.marks], [50, []]);
});

Deno.test("outbox: no more than a window is under way to one instance, from any sender", async () => {
  const fixture = new Fixture();
  const outcomes = Array.from({ length: 10 }, (_, n) => fixture.send(n, KB64));
  assertEquals(fixture.published.length, WINDOW / KB64.length);
  assertEquals(await outcomeOf(outcomes[9] as Promise<SendOutcome>), "waits");
  fixture.send(1, KB64, "z");
  assertEquals(fixture.published.at(-1), "1 to z: 65536");
  while (fixture.marks.length > 0) fixture.answer();
  assertEquals(await Promise.all(outcomes), outcomes.map(() => "sent"));
  assertEquals(fixture.outbox.waiting, 0);
});

Deno.test("outbox: a frame that is larger than the window is sent alone", () => {
  const fixture = new Fixture();
  fixture.send(1, "x".repeat(2 * WINDOW));
  fixture.send(2, "y");
  assertEquals(fixture.published.length, 1);
  fixture.answer();
  assertEquals(fixture.published.length, 2);
});

Deno.test("outbox: a flood is refused, and delays nobody else by more than a window", async () => {
  const fixture = new Fixture();
  const flood = Array.from({ length: 2000 }, () => fixture.send(1, KB64));
  const refused = await Promise.all(flood.map(outcomeOf));
  const most = (MAX_WAITING_PER_SENDER + WINDOW) / KB64.length;
  assertEquals(refused.filter((outcome) => outcome === "busy").length, flood.length - most);
  assertEquals(fixture.outbox.waiting, MAX_WAITING_PER_SENDER);
  const innocent = fixture.send(2, "offer");
  fixture.answer();
  assertEquals(await outcomeOf(innocent), "sent");
  const position = fixture.published.indexOf("2 to y: 5");
  assert(position <= 2 * WINDOW / KB64.length, `${position}`);
});

Deno.test("outbox: the envelopes of one sender keep their order", () => {
  const fixture = new Fixture();
  const sizes: number[] = [];
  for (let n = 1; n <= 40; n++) {
    const size = n * 1000;
    sizes.push(size);
    fixture.send(1, "x".repeat(size));
    fixture.send(2, KB64);
  }
  while (fixture.marks.length > 0) fixture.answer();
  const sent = fixture.published.filter((line) => line.startsWith("1 "));
  assertEquals(sent, sizes.map((size) => `1 to y: ${size}`));
});

Deno.test("outbox: many floods together are bounded, and a sender of little still passes", async () => {
  const fixture = new Fixture();
  for (let sender = 1; sender <= 12; sender++) {
    for (let n = 0; n < 1000; n++) fixture.send(sender, KB64);
  }
  assert(fixture.outbox.waiting <= 35_000_000, `${fixture.outbox.waiting}`);
  const innocent = fixture.send(99, "x".repeat(2000));
  assertEquals(await outcomeOf(innocent), "waits");
  while (fixture.marks.length > 0) fixture.answer();
  assertEquals(await innocent, "sent");
});

Deno.test("outbox: a newcomer offers to a room of 1,000 at once", async () => {
  const fixture = new Fixture();
  const offers = Array.from({ length: 999 }, () => fixture.send(1, "x".repeat(4000)));
  while (fixture.marks.length > 0) fixture.answer();
  assertEquals(new Set(await Promise.all(offers)), new Set(["sent"]));
});

Deno.test("outbox: what waits for an instance that stalls is given up after 2 s", async () => {
  const fixture = new Fixture();
  const all = Array.from({ length: 6 }, () => fixture.send(1, KB64));
  fixture.now = 1999;
  fixture.outbox.expire(() => true);
  assertEquals(await outcomeOf(all[5] as Promise<SendOutcome>), "waits");
  fixture.now = 2000;
  fixture.outbox.expire(() => true);
  assertEquals((await Promise.all(all)).slice(-2), ["not found", "not found"]);
  assertEquals(fixture.outbox.waiting, 0);
});

Deno.test("outbox: what waits for an instance that is slow is given up as busy", async () => {
  const fixture = new Fixture();
  const all = Array.from({ length: 20 }, () => fixture.send(1, KB64));
  fixture.now = 1500;
  fixture.outbox.reached("y", 2 * KB64.length);
  fixture.now = 2000;
  fixture.outbox.expire(() => true);
  assertEquals(await all[19], "busy");
});

Deno.test("outbox: what waits for an instance that is dead, or when the connection ends, is given up", async () => {
  const fixture = new Fixture();
  const all = Array.from({ length: 6 }, () => fixture.send(1, KB64));
  const others = Array.from({ length: 6 }, () => fixture.send(1, KB64, "z"));
  fixture.outbox.expire(() => false);
  assertEquals(await outcomeOf(all[5] as Promise<SendOutcome>), "waits"); // It may be new.
  fixture.now = 2001;
  fixture.outbox.expire((instance) => instance === "z");
  assertEquals(await all[5], "not found");
  fixture.outbox.close();
  assertEquals([await others[5], fixture.outbox.waiting], ["not found", 0]);
});
