import { assertEquals, assertThrows } from "@std/assert";
import { createOriginCheck } from "../../src/access/origins.ts";

Deno.test("createOriginCheck() lets in every page unless told otherwise", () => {
  const check = createOriginCheck(undefined);
  for (const origin of ["https://evil.example", "null", "nonsense", null]) {
    assertEquals(check(origin), true);
  }
});

Deno.test("createOriginCheck() compares scheme, host and port", () => {
  const check = createOriginCheck([
    "https://app.example.com",
    "HTTP://Localhost:8000",
    "https://b.example:443",
  ]);
  for (
    const origin of ["https://app.example.com", "http://localhost:8000", "https://b.example", null]
  ) assertEquals(check(origin), true, String(origin));
  for (
    const origin of [
      "http://app.example.com",
      "https://app.example.com:444",
      "https://app.example.com.evil.example",
      "https://evil.example/https://app.example.com",
      "https://example.com",
      "http://localhost",
      "null",
      "",
    ]
  ) assertEquals(check(origin), false, origin);
});

Deno.test("createOriginCheck() lets *. stand for one label", () => {
  const check = createOriginCheck(["https://*.example.com", "http://*.dev.example:3000", "null"]);
  for (const origin of ["https://a.example.com", "http://x-1.dev.example:3000", "null"]) {
    assertEquals(check(origin), true, origin);
  }
  for (
    const origin of [
      "https://example.com",
      "https://.example.com",
      "https://a.b.example.com",
      "https://evil.example/.example.com",
      "https://a.example.com:8443",
      "http://a.example.com",
      "https://aexample.com",
    ]
  ) assertEquals(check(origin), false, origin);
});

Deno.test("createOriginCheck() takes origins alone", () => {
  for (
    const text of [
      "",
      "*",
      "example.com",
      "https://",
      "https://a.example/",
      "https://*",
      "https://*.*.a",
    ]
  ) {
    assertThrows(() => createOriginCheck([text]), TypeError, "An origin must look like");
  }
});
