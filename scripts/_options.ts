// deno-lint-ignore-file no-console
/** How the project's own tools read their command line. */

/**
 * The options of this run; prints the help and ends with 0 where that is asked for, and with 2 where
 * `parse` answers with a sentence about what is wrong.
 */
export function readOptions<Options extends object>(
  help: string,
  parse: (args: string[]) => Options | string,
): Options {
  if (Deno.args.some((arg) => arg === "--help" || arg === "-h")) {
    console.log(help);
    Deno.exit(0);
  }
  const options = parse(Deno.args);
  if (typeof options !== "string") return options;
  console.error(options);
  Deno.exit(2);
}
