/** What is logged while the backplane does not work. */

import { assertEquals } from "@std/assert";
import { ClusterFixture } from "../helpers/cluster_fixture.ts";

function reasons(fixture: ClusterFixture): unknown[] {
  return fixture.logs.filter(({ level }) => level === "error").map(({ fields }) =>
    fields?.["reason"]
  );
}

Deno.test("outage: each new reason is logged once", () => {
  const fixture = new ClusterFixture();
  for (const reason of ["refused", "refused", "wrong password", "refused", "wrong password"]) {
    fixture.listener.down(reason);
    fixture.clock.tick(1000);
  }
  assertEquals(reasons(fixture), ["refused", "wrong password"]);
});

Deno.test("outage: an outage that lasts is logged once a minute", () => {
  const fixture = new ClusterFixture();
  for (let second = 0; second < 150; second++) {
    fixture.listener.down("refused");
    fixture.clock.tick(1000);
  }
  assertEquals(reasons(fixture), ["refused", "refused", "refused"]);
});

Deno.test("outage: after it the same reason is new", () => {
  const fixture = new ClusterFixture();
  fixture.listener.down("refused");
  fixture.listener.up("x");
  fixture.listener.down("refused");
  assertEquals(reasons(fixture), ["refused", "refused"]);
});
