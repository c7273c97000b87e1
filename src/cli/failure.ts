/** How a command ends: the exit codes, and the failure that ends it with sentences for the user. */

/** `exhausted` is `EX_TEMPFAIL` of sysexits.h: a supervisor starts the server again. */
export const EXIT = { ok: 0, configuration: 1, usage: 2, exhausted: 75 } as const;

/** Options of a {@linkcode Failure}. */
export interface FailureOptions {
  /** Sentences for the user: what is wrong, and what to do next. They show no secret. */
  readonly lines: readonly string[];
  /** The exit code; that of a wrong configuration when absent. */
  readonly exitCode?: number;
}

/** A command cannot go on; the lines go to standard error. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly code = "ERR_COMMAND";
  readonly lines: readonly string[];
  readonly exitCode: number;

  constructor({ lines, exitCode = EXIT.configuration }: FailureOptions) {
    super(lines.join("\n"));
    this.lines = lines;
    this.exitCode = exitCode;
  }
}

/** The failure of a command that was used wrongly. */
export function wrongUsage(line: string): Failure {
  return new Failure({ lines: [line], exitCode: EXIT.usage });
}
