import { assertEquals } from "@std/assert";
import { Histogram } from "../../src/metrics/histogram.ts";

Deno.test("Histogram: a value counts in the first bucket whose bound it does not exceed", () => {
  const histogram = new Histogram([1, 2]);
  for (const value of [0, 1, 1.5, 2, 2.5, Infinity]) histogram.observe(value);
  assertEquals(histogram.counts, [2, 2, 2]);
  assertEquals(histogram.count, 6);
});

Deno.test("Histogram: a listener is told of every value", () => {
  const histogram = new Histogram([1]);
  const seen: number[] = [];
  histogram.observe(1);
  histogram.listener = (value) => seen.push(value);
  histogram.observe(2);
  histogram.listener = undefined;
  histogram.observe(3);
  assertEquals([seen, histogram.count, histogram.sum], [[2], 3, 6]);
});
