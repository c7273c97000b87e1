import { assertEquals } from "@std/assert";
import { Semaphore } from "../../src/runtime/semaphore.ts";

Deno.test("Semaphore.acquire() hands out as many permits as there are, and the next in order of arrival", async () => {
  const semaphore = new Semaphore(2);
  const [first, second] = [await semaphore.acquire(), await semaphore.acquire()];
  const got: string[] = [];
  const wait = (name: string) =>
    semaphore.acquire().then((permit) => {
      got.push(name);
      return permit;
    });
  const [third, fourth] = [wait("third"), wait("fourth")];
  await Promise.resolve();
  assertEquals(got, []);
  second[Symbol.dispose]();
  second[Symbol.dispose](); // releases nothing more
  await third;
  assertEquals(got, ["third"]);
  first[Symbol.dispose]();
  await fourth;
  assertEquals(got, ["third", "fourth"]);
});

Deno.test("Semaphore.acquire() frees its permit at the end of a block that throws", async () => {
  const semaphore = new Semaphore(1);
  for (let n = 0; n < 3; n++) {
    try {
      using _permit = await semaphore.acquire();
      throw new Error("in the block");
    } catch {
      // The next turn gets the permit.
    }
  }
});
