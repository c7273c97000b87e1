/**
 * Which programs there are, and tests that need one. Where CI runs all have to be there: a test is never
 * skipped for want of one.
 */

/** Whether CI runs. */
const IS_CI = Deno.env.get("CI") !== undefined;

/** Whether these can be run; in CI always, so that a test of one that is missing fails. */
export async function hasPrograms(...names: string[]): Promise<boolean> {
  if (IS_CI) return true;
  for (const name of names) {
    const command = new Deno.Command("sh", {
      args: ["-c", `command -v "$0"`, name],
      stdout: "null",
    });
    if (!(await command.output()).success) return false;
  }
  return true;
}

/**
 * A test that needs a program. Where that is `missing` (its name or path), work on everything else is
 * possible: the test is skipped, and its name says why, since `deno test --quiet` shows nothing that a
 * file prints. In CI nothing may be left out in silence: there it fails.
 */
export function testWith(
  missing: string | undefined,
  name: string,
  fn: (test: Deno.TestContext) => Promise<void>,
): void {
  const isSkipped = missing !== undefined && !IS_CI;
  Deno.test({
    name: isSkipped ? `${name} (skipped: there is no ${missing})` : name,
    ignore: isSkipped,
    async fn(test) {
      if (missing !== undefined) throw new Error(`${missing} is missing: install it`);
      await fn(test);
    },
  });
}
