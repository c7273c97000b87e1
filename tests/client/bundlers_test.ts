/**
 * The client as `npx jsr add` installs it: JavaScript and declarations in `node_modules`, for bundlers
 * and for the TypeScript of a web project, which knows nothing of Deno.
 */

import { assert, assertEquals } from "@std/assert";
import { build, stop } from "esbuild";
// Named here, since nothing else needs it.
import ts from "npm:typescript@^5.8.0";
import config from "../../deno.json" with { type: "json" };
import { filesIn, ROOT, runDeno, temporaryFolder } from "../helpers/command.ts";

const APP = `
import { type Peer, sendWhenReady, SignalingClient, StopError } from "${config.name}/client";

const rtc: RTCConfiguration = { bundlePolicy: "max-bundle" };
const client = new SignalingClient({
  url: location.href,
  room: "todos",
  rtc,
  getToken: () => Promise.reject(new StopError("signed out")),
});
client.addEventListener("state", ({ detail: { state, code, error } }) => {
  const text: "connecting" | "joined" | "waiting" | "stopped" = state;
  console.log(text, code?.toFixed(), error);
});
client.addEventListener("peer", ({ detail: peer }) => {
  const connection: RTCPeerConnection = peer.connection;
  const channel: RTCDataChannel = peer.openChannel("files", { ordered: false });
  connection.getStats();
  sendWhenReady(channel, "text");
  peer.addEventListener("channel", ({ detail }) => detail.send(new Uint8Array(1)));
  peer.addEventListener("state", ({ detail }) => detail === "connected");
});
const peers: ReadonlyMap<string, Peer> = client.peers;
// @ts-expect-error: It is no string.
const text: string = peers;
// @ts-expect-error: There is no such role.
new SignalingClient({ url: "", room: "", role: "server" });
client.connect().catch((error: unknown) => console.log(error, text));
`;

interface Project extends AsyncDisposable {
  readonly path: string;
}

/** A web project with the client's part of the package, packed for npm. */
async function startProject(): Promise<Project> {
  const folder = await temporaryFolder();
  const sources = `${folder.path}/sources`;
  for await (const { path } of filesIn("src/client")) await copy(path, sources);
  await copy("src/protocol/messages.ts", sources);
  const { name, version, license, exports } = config;
  const own = { name, version, license, exports: { "./client": exports["./client"] } };
  await Deno.writeTextFile(`${sources}/deno.json`, JSON.stringify(own));
  const archive = `${folder.path}/package.tgz`;
  const args = ["pack", "--allow-dirty", "--no-source-maps", "--output", archive];
  const packed = await runDeno(args, { cwd: sources });
  assertEquals(packed.code, 0, packed.stderr);
  const modules = `${folder.path}/node_modules/${config.name}`;
  await Deno.mkdir(modules, { recursive: true });
  const tar = new Deno.Command("tar", {
    args: ["-xzf", archive, "-C", modules, "--strip-components=1"],
  });
  assert((await tar.output()).success);
  await Deno.writeTextFile(`${folder.path}/app.ts`, APP);
  return folder;
}

async function copy(path: string, to: string): Promise<void> {
  await Deno.mkdir(`${to}/${path}`.replace(/\/[^/]+$/, ""), { recursive: true });
  await Deno.copyFile(ROOT + path, `${to}/${path}`);
}

Deno.test("client: a web project bundles it, and its strict TypeScript accepts its types", async (test) => {
  await using project = await startProject();
  const app = `${project.path}/app.ts`;

  await test.step("TypeScript", () => {
    const program = ts.createProgram([app], {
      lib: ["lib.es2022.d.ts", "lib.dom.d.ts"],
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      skipLibCheck: false,
      types: [],
    });
    const messages = ts.getPreEmitDiagnostics(program).map(({ file, messageText }) =>
      `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`
    );
    assertEquals(messages, []);
    const files = program.getSourceFiles().map(({ fileName }) => fileName);
    assert(files.some((name) => name.endsWith("src/client/mod.d.ts")), "It is not the package");
    assert(!files.some((name) => /deno\.ns|@types\/node/.test(name)), "It needs more than the DOM");
  });

  await test.step("esbuild", async () => {
    try {
      const { outputFiles: [file], metafile } = await build({
        entryPoints: [app],
        absWorkingDir: project.path,
        bundle: true,
        format: "esm",
        metafile: true,
        minify: true,
        platform: "browser",
        write: false,
      });
      assert(file !== undefined);
      const inputs = Object.keys(metafile.inputs).filter((path) => path !== "app.ts");
      const own = `node_modules/${config.name}/src/client/`;
      assertEquals(inputs.filter((path) => !path.startsWith(own)), []);
      assert(!/\bDeno\b/.test(file.text));
    } finally {
      await stop();
    }
  });
});
