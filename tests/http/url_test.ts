import { assertEquals } from "@std/assert";
import { isValidHost, splitUrl } from "../../src/http/url.ts";

Deno.test("splitUrl() agrees with URL on what a server is asked for", () => {
  const urls = [
    "http://h/signal",
    "http://h:8080/signal?token=a&room=b",
    "https://h/signal?x=https://y/z?w",
    "http://[::1]:8080/health",
    "http://h",
    "http://h/",
    "http://h?room=a",
    "http://h//",
    "http://h/a%20b?c%20d",
    "http://h/signal#x?y",
    "http://h/signal?a#b",
  ];
  for (const url of urls) {
    const { pathname, search } = new URL(url);
    assertEquals(splitUrl(url), { pathname, query: search.slice(1) }, url);
  }
});

Deno.test("isValidHost() accepts a host with or without a port, and nothing that ends it in a URL", () => {
  for (const host of [null, "", "h", "h:", "h:1", "[::1]", "[::1]:8080", "1.2.3.4", "a-b_c.d%20"]) {
    assertEquals(isValidHost(host), true, String(host));
  }
  for (const end of ["/", "?", "#", "@", "\\", " ", "\t", "[", "]", ":", '"', "<", "ä", "\u0000"]) {
    for (const host of [`h${end}x`, `${end}x`, `h${end}:1`]) {
      assertEquals(isValidHost(host), false, host);
    }
  }
});
