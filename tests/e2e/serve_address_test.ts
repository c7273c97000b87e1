/** `DENO_SERVE_ADDRESS` rebinds the listener, as a platform may do: the server runs there as well. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { ROOT, startDeno, temporaryFolder } from "../helpers/command.ts";
import { within } from "../helpers/client.ts";
import { frame, handshake } from "../helpers/raw.ts";

/** Sends a request over a Unix socket and reads until `pattern` matches. */
async function exchange(connection: Deno.Conn, data: Uint8Array, pattern: RegExp): Promise<string> {
  await connection.write(data as Uint8Array<ArrayBuffer>);
  const buffer = new Uint8Array(4096);
  let text = "";
  while (!pattern.test(text)) {
    const count = await within(`${pattern}`, connection.read(buffer));
    if (count === null) throw new Error(`Ended after: ${text}`);
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return text;
}

function bytes(text: string, ...more: Uint8Array[]): Uint8Array {
  return new Uint8Array([...new TextEncoder().encode(text), ...more.flatMap((part) => [...part])]);
}

Deno.test({
  name: "main: on a Unix socket it serves, says that limits per address are off, and stops",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using folder = await temporaryFolder();
    const path = `${folder.path}/socket`;
    await using program = startDeno(["run", "--no-prompt", "-A", `${ROOT}main.ts`], {
      env: { AUTH_DISABLED: "true", DENO_SERVE_ADDRESS: `unix:${path}`, LOG_FORMAT: "json" },
    });
    const [line] = await program.line(/"message":"Listening on [^"]*".*/);
    assertMatch(line, new RegExp(`Listening on unix:${path}`));
    await program.line(/[Ll]imits per address are off/);

    using client = await Deno.connect({ transport: "unix", path });
    const health = await exchange(client, bytes("GET /health HTTP/1.1\r\nHost: x\r\n\r\n"), /\}/);
    assertMatch(health, /^HTTP\/1\.1 200 [\s\S]*"status":"ok"/);
    const register = frame(1, '{"type":"register"}');
    const joined = await exchange(client, bytes(handshake("/signal?nodeId=a"), register), /\]\}/);
    assertMatch(joined, /^HTTP\/1\.1 101 [\s\S]*\{"type":"peer-list","peers":\[\]\}/);
    using another = await Deno.connect({ transport: "unix", path });
    const list = await exchange(another, bytes(handshake("/signal?nodeId=b"), register), /\]\}/);
    assertMatch(list, /"peers":\["a"\]/);

    program.kill("SIGTERM");
    assertEquals(await within("the end", program.exited), 0);
    assertEquals(program.stderr(), "");
    assert(!/undefined|ws:/.test(program.stdout()), program.stdout());
  },
});
