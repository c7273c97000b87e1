/** Which programs there are. Where CI runs all have to be there: a test is never skipped for want of one. */

/** Whether these can be run; in CI always, so that a test of one that is missing fails. */
export async function hasPrograms(...names: string[]): Promise<boolean> {
  if (Deno.env.get("CI") !== undefined) return true;
  for (const name of names) {
    const command = new Deno.Command("sh", {
      args: ["-c", `command -v "$0"`, name],
      stdout: "null",
    });
    if (!(await command.output()).success) return false;
  }
  return true;
}
