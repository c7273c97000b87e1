import { assertEquals } from "@std/assert";
import { plainName, plainText } from "../../page/plain.ts";

Deno.test("page: a name of other people is one line, and hides or turns around nothing", () => {
  for (
    const [name, shown] of [
      ["ada", "ada"],
      ["Straße/7: 🙂 عدا", "Straße/7: 🙂 عدا"],
      ["ok\u202e is connected\n\nserver: type", "ok_ is connected__server: type"],
      ["a\u2028b\u2029c\u200bd\u2066e\r\t\0", "a_b_c_d_e___"],
      ["\ud800", "_"],
    ] as const
  ) assertEquals(plainText(name), shown);
});

Deno.test("page: a file's name has no folders, no dots at its start, and 120 characters at most", () => {
  assertEquals(plainName("../a\\b:c\u202egnp.exe"), "_a_b_c_gnp.exe");
  assertEquals(plainName("...\n"), "_");
  assertEquals(plainName(".."), "file");
  assertEquals(plainName("a".repeat(3000) + "🙂.png"), "a".repeat(115) + "🙂.png");
});
