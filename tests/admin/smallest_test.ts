/** The first few of many names. */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { smallest } from "../../src/admin/smallest.ts";

Deno.test("smallest() finds what sorting all of them finds, by UTF-16 code units", () => {
  const names = fc.uniqueArray(fc.string({ unit: "binary", maxLength: 3 }), { maxLength: 200 });
  fc.assert(fc.property(names, fc.integer({ min: 1, max: 50 }), (all, count) => {
    assertEquals(smallest(all, count), [...all].sort().slice(0, count));
  }));
});
