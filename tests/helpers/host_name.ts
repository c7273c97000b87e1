/**
 * A host name whose address a test changes. Programs that are to know it run in a mount namespace of
 * their own, where a file of the test is `/etc/hosts`; nothing else on the machine sees it.
 */

import { type CommandOptions, type Running, start } from "./command.ts";

export interface HostName {
  readonly name: string;
  /** Gives it another address, at once. */
  moveTo(address: string): Promise<void>;
  /** Starts a program that knows the name. */
  start(program: string, args: readonly string[], options?: CommandOptions): Running;
}

/** What is missing for {@linkcode hostName}, if anything is: it needs root. */
export const MISSING_NAMESPACES: string | undefined = await canUnshare()
  ? undefined
  : "permission for unshare --mount";

/** Makes a name with its file in a folder. */
export async function hostName(
  folder: string,
  name: string,
  address: string,
): Promise<HostName> {
  const file = `${folder}/hosts`;
  // The file stays the same: another one in its place would not be mounted.
  const moveTo = (to: string) => Deno.writeTextFile(file, `127.0.0.1 localhost\n${to} ${name}\n`);
  await moveTo(address);
  const mount = ["--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', file];
  return {
    name,
    moveTo,
    start: (program, args, options) => start("unshare", [...mount, program, ...args], options),
  };
}

async function canUnshare(): Promise<boolean> {
  try {
    const args = ["--mount", "true"];
    return (await new Deno.Command("unshare", { args, stderr: "null" }).output()).success;
  } catch {
    return false; // There is no such program.
  }
}
