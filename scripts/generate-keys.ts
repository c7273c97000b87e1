/**
 * The `keygen` command: prints a new Ed25519 key pair and admin secret as `.env` lines, writes them
 * into `.env`, or replaces the key there.
 *
 * ```sh
 * deno run --allow-read=.env --allow-write=.env jsr:@aikofy/client-db-sync/keygen --write
 * ```
 *
 * @module
 */

import { keygen } from "../src/cli/keygen.ts";

export { keygen };

if (import.meta.main) Deno.exit(await keygen(Deno.args));
