/**
 * Images without a daemon: Debian's buildah in a folder of its own, on a stand-in for the base image,
 * since no registry of images is needed then. Linux, as root.
 */

import { assertEquals } from "@std/assert";
import { ROOT, type Running, start, temporaryFolder } from "./command.ts";
import { hasPrograms } from "./program.ts";

/** Whether images can be built here; where CI runs, they have to be. */
export const canBuildImages = await hasPrograms("buildah", "busybox");

/** What an image says of how it is run. */
export interface ImageConfig {
  readonly User: string;
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
  readonly StopSignal: string;
  readonly Healthcheck: { readonly Test: readonly string[] };
}

/** An image that was built from the Dockerfile; removed by `await using`. */
export interface Image extends AsyncDisposable {
  readonly config: ImageConfig;
  /** Bytes that it has more than its base image. */
  readonly addedBytes: number;
  /** Runs a command in a container of the image, which has the network of the machine. */
  run(command: readonly string[], env?: Record<string, string>): Running;
}

/** Builds the image of the Dockerfile. */
export async function buildImage(): Promise<Image> {
  const folder = await temporaryFolder();
  const options = [
    ...["--root", `${folder.path}/storage`, "--runroot", `${folder.path}/run`],
    ...["--storage-driver", "vfs"],
  ];
  const buildah = async (...args: string[]): Promise<string> => {
    await using command = start("buildah", [...options, ...args]);
    assertEquals(await command.exited, 0, command.stdout() + command.stderr());
    return command.stdout();
  };
  try {
    const base = /^FROM (\S+)$/m.exec(await Deno.readTextFile(`${ROOT}Dockerfile`))?.[1] ?? "";
    const script = `${ROOT}tests/helpers/base_image.sh`;
    await using making = start("sh", [script, Deno.execPath(), base, folder.path, ...options]);
    assertEquals(await making.exited, 0, making.stdout() + making.stderr());
    const build = ["--isolation", "chroot", "--pull-never", "--format", "docker"];
    await buildah("bud", ...build, "--tag", "client-db-sync", ROOT);
    const sizeOf = async (name: string): Promise<number> => {
      const [image] = JSON.parse(await buildah("images", "--json", name));
      return bytesOf(image.size);
    };
    const container = (await buildah("from", "--pull-never", "client-db-sync")).trim();
    return {
      config: JSON.parse(await buildah("inspect", "--type", "image", "client-db-sync"))
        .Docker.config,
      addedBytes: await sizeOf("client-db-sync") - await sizeOf(base),
      run(command, env = {}) {
        const settings = Object.entries(env).flatMap((pair) => ["--env", pair.join("=")]);
        const isolation = ["--isolation", "chroot"];
        const args = [...options, "run", ...isolation, ...settings, container, "--", ...command];
        return start("buildah", args);
      },
      [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
    };
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

/** A size as buildah prints it: `101 MB`. */
function bytesOf(size: string): number {
  const [, count = "", unit = ""] = /^([\d.]+) (B|KB|MB|GB)$/.exec(size) ?? [];
  return Number(count) * 1000 ** ["B", "KB", "MB", "GB"].indexOf(unit);
}

/** A process below another one, and whose it is. */
export interface Process {
  readonly pid: number;
  /** The real user id. */
  readonly uid: number;
}

/** The process of this name below another one, however deep. */
export async function findBelow(parent: number, name: string): Promise<Process | undefined> {
  for (const child of await childrenOf(parent)) {
    const status = await Deno.readTextFile(`/proc/${child}/status`);
    if (status.startsWith(`Name:\t${name}\n`)) {
      return { pid: child, uid: Number(/^Uid:\t(\d+)/m.exec(status)?.[1]) };
    }
    const found = await findBelow(child, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The children of a process: Linux lists them for each of its threads. */
async function childrenOf(parent: number): Promise<number[]> {
  let children = "";
  for await (const { name: thread } of Deno.readDir(`/proc/${parent}/task`)) {
    children += await Deno.readTextFile(`/proc/${parent}/task/${thread}/children`);
  }
  return children.split(" ").filter((text) => text !== "").map(Number);
}
