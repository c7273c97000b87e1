import { assertEquals } from "@std/assert";
import type { Family } from "../../src/metrics/family.ts";
import { Histogram } from "../../src/metrics/histogram.ts";
import { toPrometheus } from "../../src/metrics/prometheus.ts";

Deno.test("toPrometheus() writes each metric with its text, its type and a line for each value", () => {
  const families: Family[] = [
    {
      kind: "counter",
      name: "seen_total",
      help: "Things seen",
      samples: [{ labels: { kind: "big", color: "red" }, value: 3 }, { labels: {}, value: 0 }],
    },
    { kind: "gauge", name: "empty", help: "Nothing", samples: [] },
  ];
  assertEquals(
    toPrometheus(families),
    `# HELP seen_total Things seen
# TYPE seen_total counter
seen_total{kind="big",color="red"} 3
seen_total 0
# HELP empty Nothing
# TYPE empty gauge
`,
  );
});

Deno.test("toPrometheus() escapes what would end a text or a label", () => {
  const labels = { odd: 'a"b\\c\nd' };
  const families: Family[] = [
    {
      kind: "gauge",
      name: "g",
      help: 'one "line"\\\nand another',
      samples: [{ labels, value: 1 }],
    },
  ];
  assertEquals(
    toPrometheus(families),
    `# HELP g one "line"\\\\\\nand another
# TYPE g gauge
g{odd="a\\"b\\\\c\\nd"} 1
`,
  );
});

Deno.test("toPrometheus() adds the buckets of a histogram up", () => {
  const histogram = new Histogram([0.1, 1]);
  for (const value of [0.05, 0.1, 0.5, 7]) histogram.observe(value);
  const samples = [{ labels: { of: "x" }, histogram }];
  assertEquals(
    toPrometheus([{ kind: "histogram", name: "h_seconds", help: "H", samples }]),
    `# HELP h_seconds H
# TYPE h_seconds histogram
h_seconds_bucket{of="x",le="0.1"} 2
h_seconds_bucket{of="x",le="1"} 3
h_seconds_bucket{of="x",le="+Inf"} 4
h_seconds_sum{of="x"} 7.65
h_seconds_count{of="x"} 4
`,
  );
});
