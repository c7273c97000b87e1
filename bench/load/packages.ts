/** The npm packages that are measured: installed when they are, in a cache outside the project. */

/** The versions, so that two runs measure the same. */
export const VERSIONS = {
  peer: "1.0.2",
  "y-webrtc": "10.3.0",
  rxdb: "17.6.0",
  ws: "8.22.0",
} as const;

/** The name of a package. */
export type PackageName = keyof typeof VERSIONS;

function cacheFolder(): string {
  const { env } = Deno;
  const base = env.get("XDG_CACHE_HOME") || `${env.get("HOME") || "/tmp"}/.cache`;
  return `${base}/client-db-sync-bench`;
}

/** Installs a package unless it is there, and returns the folder whose `node_modules` has it. */
export async function install(name: PackageName): Promise<string> {
  const version = VERSIONS[name];
  const folder = `${cacheFolder()}/${name}@${version}`;
  const installed = `${folder}/installed`;
  if (await exists(installed)) return folder;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(
    `${folder}/package.json`,
    JSON.stringify({ private: true, dependencies: { [name]: version, ws: VERSIONS.ws } }),
  );
  await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify({ nodeModulesDir: "auto" }));
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["install", "--quiet"],
    cwd: folder,
    stdin: "null",
    signal: AbortSignal.timeout(180_000),
  }).output();
  if (!success) throw new Error(`${name} cannot be installed: ${firstLine(stderr)}`);
  await Deno.writeTextFile(installed, "");
  return folder;
}

/** The version of the Node on this machine, if there is one. */
export async function nodeVersion(): Promise<string | undefined> {
  try {
    const { stdout } = await new Deno.Command("node", { args: ["--version"] }).output();
    return new TextDecoder().decode(stdout).trim().slice(1);
  } catch {
    return undefined;
  }
}

function firstLine(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).trim().split("\n")[0] ?? "";
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false;
  }
}
