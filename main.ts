/**
 * The command line. `src/cli/` has its commands: this file ends the process when one is done.
 *
 * A host that runs a module instead of a command, such as Deno Deploy, starts the whole server with
 * its settings and its signals so:
 *
 * ```ts ignore
 * import { main } from "jsr:@aikofy/client-db-sync/main";
 *
 * await main([]);
 * ```
 *
 * @module
 */

import { runProgram } from "./src/cli/program.ts";

/**
 * Runs the command line and ends the process, unless it is left serving.
 *
 * @param args The arguments after the program's name.
 */
export async function main(args: readonly string[]): Promise<void> {
  const exitCode = await runProgram(args);
  if (exitCode !== undefined) Deno.exit(exitCode);
}

if (import.meta.main) await main(Deno.args);
