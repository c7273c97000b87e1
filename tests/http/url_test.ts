import { assertEquals } from "@std/assert";
import { splitUrl } from "../../src/http/url.ts";

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
