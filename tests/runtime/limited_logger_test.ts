import { assertEquals } from "@std/assert";
import { limitErrors, MAX_ERROR_LINES } from "../../src/runtime/limited_logger.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import { FakeClock } from "../helpers/clock.ts";

function fixture() {
  const clock = new FakeClock();
  const lines: string[] = [];
  const write = (line: string) => lines.push(line.replace(/^.*?"message":/, ""));
  const logger = limitErrors(createLogger({ level: "debug", write }), clock);
  return { clock, lines, logger };
}

Deno.test("limitErrors() writes a few error lines of one text a minute, and says how many it left out", () => {
  const { clock, lines, logger } = fixture();
  for (let n = 0; n < 500; n++) logger.error("Failed", { n });
  assertEquals(lines.length, MAX_ERROR_LINES);
  logger.error("Failed in another way");
  assertEquals(lines.splice(0).at(-1), '"Failed in another way"}');
  clock.tick(60_000);
  for (let n = 0; n < 2; n++) logger.error("Failed", { n });
  const omitted = 500 - MAX_ERROR_LINES;
  assertEquals(lines, [`"Failed","n":0,"omitted":${omitted}}`, '"Failed","n":1}']);
});

Deno.test("limitErrors() leaves out no line of another level", () => {
  const { lines, logger } = fixture();
  for (let n = 0; n < 100; n++) {
    logger.debug("Closed");
    logger.info("Refused");
    logger.warn("Wrong secret");
  }
  assertEquals(lines.length, 300);
});
