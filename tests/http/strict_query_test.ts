/** Which queries the admin routes read. */

import { assertEquals } from "@std/assert";
import { readStrictQuery } from "../../src/http/strict_query.ts";

const read = (query: string) => readStrictQuery(`http://h/admin?${query}`, ["room", "with"]);

Deno.test("strict query: values are decoded, with + as a space", () => {
  assertEquals(read("room=a%2Fb%3F+%F0%9F%A6%86&with=%00"), {
    values: { room: "a/b? 🦆", with: "\0" },
  });
  assertEquals(read("room=a=b&&with"), { values: { room: "a=b", with: "" } });
  assertEquals(read(""), { values: {} });
});

Deno.test("strict query: what is not known, given twice or no UTF-8 is a problem", () => {
  const problems: Record<string, string> = {
    "Room=a": 'There is no parameter "Room": there is `room`, `with`',
    "__proto__=a": 'There is no parameter "__proto__": there is `room`, `with`',
    "room=a&room=a": "`room` is given more than once",
    "room=%ED%A0%80": "The query must be percent-encoded UTF-8",
    "room=%": "The query must be percent-encoded UTF-8",
    "%FF=a": "The query must be percent-encoded UTF-8",
  };
  for (const [query, problem] of Object.entries(problems)) assertEquals(read(query), { problem });
});
