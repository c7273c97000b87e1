/**
 * Builds the page that the server answers at `/` as one HTML file, and writes it as
 * `src/page/page_html.ts`, with the hashes that its content security policy needs: a package of JSR may
 * import no text file. `deno task build:page` runs this. With `--check` it only tells whether that was
 * forgotten.
 */

import { buildSync } from "esbuild";
import config from "../deno.json" with { type: "json" };

const SOURCE = new URL("../page/page.html", import.meta.url);
const TARGET = new URL("../src/page/page_html.ts", import.meta.url);

/** The oldest browsers that run the page; `docs/client.md` names them. */
const BROWSERS = ["chrome84", "firefox113", "safari15.4"];

/** Where Deno keeps the package that draws QR codes: esbuild finds no package by itself. */
async function pathOf(name: "qr"): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--lock=tests/deno.lock", config.scopes["./page/"][name]],
    cwd: new URL("..", import.meta.url),
    stderr: "null",
  }).output();
  const { npmPackages } = JSON.parse(new TextDecoder().decode(stdout));
  for (const [id, { localPath }] of Object.entries<{ localPath: string }>(npmPackages)) {
    if (id.startsWith(`${name}@`)) return localPath;
  }
  throw new Error(`${name} is not installed`);
}

/** Bundles the script. The notices of the packages in it stay. */
async function buildScript(entry: string): Promise<string> {
  const { outputFiles: [file] } = buildSync({
    entryPoints: [new URL(entry, SOURCE).pathname],
    alias: { qr: await pathOf("qr") },
    bundle: true,
    format: "esm",
    legalComments: "inline",
    minify: true,
    target: BROWSERS,
    write: false,
  });
  if (file === undefined) throw new Error("esbuild has built nothing");
  return file.text.trim().replaceAll("</script", "<\\/script");
}

function minifyStyle(style: string): string {
  const { outputFiles: [file] } = buildSync({
    stdin: { contents: style, loader: "css" },
    minify: true,
    target: BROWSERS,
    write: false,
  });
  return file?.text.trim() ?? "";
}

/** What a content security policy calls this text (CSP Level 3, section 2.3). */
async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `sha256-${new Uint8Array(digest).toBase64()}`;
}

async function build(): Promise<string> {
  const html = await Deno.readTextFile(SOURCE);
  const [tag = "", entry = ""] = /<script type="module" src="([^"]+)"><\/script>/.exec(html) ?? [];
  const [, written = ""] = /<style>([\s\S]*?)<\/style>/.exec(html) ?? [];
  const script = await buildScript(entry);
  const style = minifyStyle(written);
  const page = html
    .replace(written, () => style)
    .replace(/<!--[\s\S]*?-->\n/g, "")
    .replace(/\s*\n\s*/g, " ")
    .replace(tag, () => `<script type="module">${script}</script>`);
  return `/**
 * The page that the server answers at \`/\`, as one HTML file, and the hashes of its script and its
 * style. Generated: change \`page/\` or \`src/client\` and run \`deno task build:page\`. The script
 * contains the package qr by Paul Miller (MIT or Apache-2.0).
 */

/** The text of the page. */
export const PAGE_HTML: string =
  // deno-fmt-ignore
  ${JSON.stringify(page)};

/** The script, as the content security policy names it. */
export const SCRIPT_HASH = ${JSON.stringify(await hashOf(script))};

/** The style, as the content security policy names it. */
export const STYLE_HASH = ${JSON.stringify(await hashOf(style))};
`;
}

const source = await build();
if (!Deno.args.includes("--check")) await Deno.writeTextFile(TARGET, source);
else if (await Deno.readTextFile(TARGET) !== source) {
  throw new Error("The built page is out of date: run deno task build:page");
}
