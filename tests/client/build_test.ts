/** The client as it is delivered: built, small, and free of whatever a browser does not have. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { CLIENT_JS } from "../../src/page/client_js.ts";
import { filesIn, ROOT, runDeno, temporaryFolder } from "../helpers/command.ts";

/** The most that the client may cost a page, in compressed bytes. */
const MAX_BYTES = 5 * 1024;

Deno.test("client: the module that the server serves is built from the sources as they are", async () => {
  const args = ["--allow-all", "--lock=tests/deno.lock", "scripts/build-client.ts", "--check"];
  const { code, stderr } = await runDeno(["run", ...args]);
  assertEquals(code, 0, stderr);
});

Deno.test("client: minified and compressed it has at most 5 KB", async () => {
  const stream = new Blob([CLIENT_JS]).stream().pipeThrough(new CompressionStream("gzip"));
  const { byteLength } = await new Response(stream).arrayBuffer();
  assert(byteLength <= MAX_BYTES, `${byteLength} bytes`);
});

Deno.test("client: it imports nothing but types, and names nothing of Deno or Node", async () => {
  for await (const { path } of filesIn("src/client")) {
    const code = (await Deno.readTextFile(ROOT + path)).replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
    assert(!/\b(Deno|process|Buffer|require)\b|node:/.test(code), path);
    for (const [statement, specifier] of code.matchAll(/(?:import|export)[^;]*? from "([^"]+)"/g)) {
      const isOwn = specifier?.startsWith("./");
      assert(isOwn || /^(import|export) type\b/.test(statement), `${path}: ${statement}`);
    }
  }
});

Deno.test("client: where the DOM library is loaded, its types are those of the DOM", async () => {
  await using folder = await temporaryFolder();
  const mod = new URL("../../src/client/mod.ts", import.meta.url).href;
  await Deno.writeTextFile(
    `${folder.path}/deno.json`,
    JSON.stringify({ compilerOptions: { lib: ["dom", "esnext"] } }),
  );
  await Deno.writeTextFile(
    `${folder.path}/app.ts`,
    `import { type Peer, sendWhenReady, SignalingClient } from "${mod}";
    const rtc: RTCConfiguration = { bundlePolicy: "max-bundle" };
    const client = new SignalingClient({ url: location.href, room: "r", rtc });
    client.addEventListener("peer", ({ detail: peer }) => {
      const connection: RTCPeerConnection = peer.connection;
      const channel: RTCDataChannel = peer.openChannel("a", { ordered: false });
      connection.getStats();
      sendWhenReady(channel, "text");
      peer.addEventListener("channel", ({ detail }) => detail.send(new Uint8Array(1)));
    });
    const peers: ReadonlyMap<string, Peer> = client.peers;
    // @ts-expect-error: It is no string.
    const id: string = peers;
    `,
  );
  const { code, stderr } = await runDeno(["check", "app.ts"], { cwd: folder.path });
  assertEquals(code, 0, stderr);
  assertStringIncludes(stderr, "app.ts");
});
