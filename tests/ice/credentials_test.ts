import { assertEquals, assertMatch } from "@std/assert";
import { createHmac } from "node:crypto";
import { TurnSecret } from "../../src/ice/credentials.ts";

Deno.test("TurnSecret signs user names as RFC 2202 and coturn do", async () => {
  const jefe = await TurnSecret.load("Jefe");
  const text = "what do ya want for nothing?"; // RFC 2202, section 3, case 2
  assertEquals(jefe.credentialOf(text), "7/zfauXrL6LSdBbV8YTfnCWafHk=");
  const north = await TurnSecret.load("north");
  assertEquals(north.credentialOf("1800000000:alice"), "sIm7pn/teO7y3AyXGeXl/xAQR6Q=");
});

Deno.test("TurnSecret names a peer by its expiry and a tag of room and nodeId", async () => {
  const secret = await TurnSecret.load("north");
  const owner = { room: "Räume 🚪", nodeId: 'union select " \\' };
  const { username, credential } = secret.mint(owner, 1_800_000_000);
  const tag = createHmac("sha256", "north").update(`${owner.room}\0${owner.nodeId}`)
    .digest("base64url").slice(0, 22);
  assertEquals(username, `1800000000:${tag}`);
  assertEquals(credential, createHmac("sha1", "north").update(username).digest("base64"));
});

Deno.test("TurnSecret gives each peer a tag of its own, which coturn accepts, whatever its name", async () => {
  const secret = await TurnSecret.load("s");
  const owners = [
    { room: "a", nodeId: "bc" },
    { room: "ab", nodeId: "c" },
    { room: "A", nodeId: "bc" },
    { room: "", nodeId: "" },
    { room: "x".repeat(256), nodeId: "\u{10ffff}".repeat(128) },
  ];
  const names = new Set<string>();
  for (const owner of owners) {
    const { username } = secret.mint(owner, 1);
    assertMatch(username, /^1:[\w-]{22}$/);
    names.add(username);
  }
  assertEquals(names.size, owners.length);
});

Deno.test("TurnSecret signs as an HMAC with secrets of every length", async () => {
  for (const value of ["s", "s".repeat(63), "s".repeat(64), "s".repeat(65), "ä🚪".repeat(40)]) {
    const secret = await TurnSecret.load(value);
    const { username, credential } = secret.mint({ room: "todos", nodeId: "ada" }, 1);
    const tag = createHmac("sha256", value).update("todos\0ada").digest("base64url").slice(0, 22);
    assertEquals(username, `1:${tag}`);
    assertEquals(credential, createHmac("sha1", value).update(username).digest("base64"));
  }
});
