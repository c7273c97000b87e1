// deno-lint-ignore-file no-console
/** The load generator's process: does the one job that it is given and prints its report as JSON. */

import { Crowds } from "./crowd.ts";
import type { Job, Report } from "./jobs.ts";
import { run } from "./loads.ts";
import { PROTOCOLS } from "./protocols.ts";
import { Sockets } from "./tcp.ts";

const { load, port, pid, protocol, privateKeyJwk }: Job = JSON.parse(Deno.args[0] ?? "{}");
const problems = new Map<string, number>();
const world = { sockets: new Sockets(), protocol: PROTOCOLS[protocol], port, problems };
const outcome = await run(await Crowds.of(world, privateKeyJwk), pid, load);
const report: Report = {
  ...outcome,
  problems: [...problems].map(([problem, count]) =>
    count === 1 ? problem : `${problem} (${count})`
  ),
};
console.log(JSON.stringify(report));
Deno.exit(); // Sockets that are still open do not keep it.
