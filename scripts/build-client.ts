/**
 * Builds the client for browsers as one ES module, and writes it as `src/page/client_js.ts`, from
 * where the server serves it: a package of JSR may import no text file. `deno task build:client`
 * runs this. With `--check` it only tells whether that was forgotten.
 */

import { buildSync } from "esbuild";

const TARGET = new URL("../src/page/client_js.ts", import.meta.url);

/** The oldest browsers that run the client; `docs/client.md` names them. */
const BROWSERS = ["chrome84", "firefox113", "safari15.4"];

/** Bundles and minifies the client. */
function buildClient(): string {
  const { outputFiles: [file] } = buildSync({
    entryPoints: [new URL("../src/client/mod.ts", import.meta.url).pathname],
    bundle: true,
    format: "esm",
    legalComments: "none",
    minify: true,
    target: BROWSERS,
    write: false,
  });
  if (file === undefined) throw new Error("esbuild has built nothing");
  return file.text.trimEnd();
}

/** The source file that has the built client. */
function sourceOf(client: string): string {
  return `/**
 * The client for browsers (\`src/client\`) as one minified ES module, which the server serves.
 * Generated: change \`src/client\` and run \`deno task build:client\`.
 */

/** The text of \`/client.js\`. */
export const CLIENT_JS: string =
  // deno-fmt-ignore
  ${JSON.stringify(client)};
`;
}

const source = sourceOf(buildClient());
if (!Deno.args.includes("--check")) await Deno.writeTextFile(TARGET, source);
else if (await Deno.readTextFile(TARGET) !== source) {
  throw new Error("The built client is out of date: run deno task build:client");
}
