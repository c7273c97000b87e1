// deno-lint-ignore-file no-console
/**
 * A server with authentication in a process of its own, for benchmarks: prints its URL and keys, then
 * answers each line on standard input with the longest time that a timer was late since the last one.
 */

import { createServer, generateKeyPairJwk } from "../mod.ts";

const limits = JSON.parse(Deno.args[0] ?? "{}");
const { privateKeyJwk } = await generateKeyPairJwk();
const server = await createServer({
  adminSecret: "a-secret-for-benchmarks-on-loopback",
  privateKeyJwk,
  limits,
});
const { url } = await server.listen({ port: Number(Deno.args[1] ?? 0), host: "127.0.0.1" });
let worst = 0;
let last = performance.now();
setInterval(() => {
  const now = performance.now();
  worst = Math.max(worst, now - last - 1);
  last = now;
}, 1);
console.log(JSON.stringify({ url, privateKeyJwk }));
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  for (const line of text.trim().split("\n")) {
    if (line === "close") await server.close();
    if (line === "close at once") await server.close({ drainMs: 0 });
    if (line.startsWith("close")) Deno.exit();
    console.log(JSON.stringify({ worstMs: worst, ...server.stats() }));
    worst = 0;
  }
}
