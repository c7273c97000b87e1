/** What a server that has started says of the address of its page. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { announcePage } from "../../src/cli/announce.ts";
import { type Config, parseConfig } from "../../src/config/config.ts";
import { silentLogger } from "../../src/runtime/logger.ts";

const OPEN = configOf({ AUTH_DISABLED: "true" });
const UNKNOWN =
  "The page's address for other devices is not known: run with --allow-sys=networkInterfaces";

function configOf(settings: Readonly<Record<string, string>>): Config {
  return parseConfig((name) => settings[name], "keygen");
}

/** What a server with the page says when it listens on this address. */
function announced(host: string): string[] {
  const lines: string[] = [];
  const logger = { ...silentLogger, info: (line: string) => lines.push(line) };
  const url = `http://${host === "0.0.0.0" || host === "::" ? "localhost" : host}:8080`;
  announcePage(logger, OPEN, { host, port: 8080, url });
  return lines.slice(1);
}

Deno.test({
  name: "announcePage() says which permission names the address for other devices",
  permissions: { sys: false, env: true },
  fn() {
    for (const host of ["0.0.0.0", "::"]) assertEquals(announced(host), [UNKNOWN]);
  },
});

Deno.test({
  name: "announcePage() asks for no permission where the server listens on one address",
  permissions: { sys: false, env: true },
  fn() {
    for (const host of ["127.0.0.1", "::1", "192.0.2.1"]) assertEquals(announced(host), []);
  },
});

Deno.test("announcePage() names the addresses for other devices where it may know them", () => {
  const lines = announced("0.0.0.0");
  assert(!lines.includes(UNKNOWN));
  for (const line of lines) {
    assertMatch(line, /^On another device of this network: http:\/\/[\d.]+:8080\/$/);
  }
});
