import { assertEquals } from "@std/assert";
import { hasValidUrl, splitUrl } from "../../src/http/url.ts";

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

function isValid(host: string | null, url = "http://localhost/signal"): boolean {
  const headers = new Headers();
  headers.get = () => host;
  return hasValidUrl({ url, headers });
}

Deno.test("hasValidUrl() accepts a host with or without a port, and nothing that ends it in a URL", () => {
  for (const host of [null, "", "h", "h:", "h:1", "[::1]", "[::1]:8080", "1.2.3.4", "a-b_c.d"]) {
    assertEquals(isValid(host), true, String(host));
  }
  for (const end of ["/", "?", "#", "@", "\\", " ", "\t", "[", "]", ":", '"', "<", "ä", "\u0000"]) {
    for (const host of [`h${end}x`, `${end}x`, `h${end}:1`]) {
      assertEquals(isValid(host), false, host);
    }
  }
});

Deno.test("hasValidUrl() refuses a host or a URL that no URL parser accepts", () => {
  for (
    const host of [
      "%",
      "a%zz",
      "a%20b",
      "[:::::]",
      "[::ffff:999.1.1.1]",
      "h:65536",
      "1.2.3.4.5",
      "xn--",
    ]
  ) {
    assertEquals(isValid(host), false, host);
    assertEquals(isValid("localhost", `http://${host}/signal`), false, host);
  }
  assertEquals(isValid("localhost", "foo://h/signal"), true);
});
