/** The page as it is delivered: built from the sources as they are, with code for browsers alone. */

import { assert, assertEquals } from "@std/assert";
import { PAGE_HTML } from "../../src/page/page_html.ts";
import { ROOT, runDeno } from "../helpers/command.ts";

/** The most that the page may cost, in compressed bytes. */
const MAX_BYTES = 28 * 1024;

Deno.test("page: the file that the server serves is built from the sources as they are", async () => {
  const args = ["--allow-all", "--lock=tests/deno.lock", "scripts/build-page.ts"];
  const { code, stderr } = await runDeno(["run", ...args, "--check"]);
  assertEquals(code, 0, stderr);
});

Deno.test("page: compressed it has at most 28 KB", async () => {
  const stream = new Blob([PAGE_HTML]).stream().pipeThrough(new CompressionStream("gzip"));
  const { byteLength } = await new Response(stream).arrayBuffer();
  assert(byteLength <= MAX_BYTES, `${byteLength} bytes`);
});

Deno.test("page: its picture in docs is a PNG of at most 150 KB", async () => {
  const bytes = await Deno.readFile(`${ROOT}docs/page.png`);
  assertEquals(new TextDecoder().decode(bytes.slice(1, 4)), "PNG");
  assert(bytes.length <= 150 * 1024, `${bytes.length} bytes`);
});
