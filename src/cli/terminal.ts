/** What the commands print: results go to standard output, everything else to standard error. */

/** Prints a line of the result. Throws when standard output is a file on a full disk. */
export function print(line: string): void {
  // deno-lint-ignore no-console
  console.log(line);
}

/** Prints a sentence for the user. */
export function printError(line: string): void {
  // deno-lint-ignore no-console
  console.error(line);
}
