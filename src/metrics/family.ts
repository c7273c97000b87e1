/** What a metric is, whoever reads it: its name, its text, and its values by label. */

import type { Histogram } from "./histogram.ts";

/** The labels of one value. */
export type Labels = Readonly<Record<string, string>>;

/** One value of a metric. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** What all metrics have. */
interface Described {
  /** As in Prometheus: the unit and, for a counter, `_total` are part of it. */
  readonly name: string;
  readonly help: string;
  /** Its name in OpenTelemetry, where conventions have one of their own. */
  readonly otelName?: string;
}

/** A metric that only grows, or that goes up and down. */
export interface NumberFamily extends Described {
  readonly kind: "counter" | "gauge";
  readonly samples: readonly Sample[];
}

/** A metric that counts by size. */
export interface HistogramFamily extends Described {
  readonly kind: "histogram";
  readonly samples: readonly { readonly labels: Labels; readonly histogram: Histogram }[];
}

/** A metric. */
export type Family = NumberFamily | HistogramFamily;

/** One value without labels. */
export function only(value: number): readonly Sample[] {
  return [{ labels: {}, value }];
}

/** A value for each name, under one label. */
export function by(label: string, values: Readonly<Record<string, number>>): readonly Sample[] {
  return Object.entries(values).map(([text, value]) => ({ labels: { [label]: text }, value }));
}

/** A value for each pair of names, under two labels. */
export function byTwo(
  [first, second]: readonly [string, string],
  values: Readonly<Record<string, Readonly<Record<string, number>>>>,
): readonly Sample[] {
  return Object.entries(values).flatMap(([text, inner]) =>
    by(second, inner).map(({ labels, value }) => ({ labels: { [first]: text, ...labels }, value }))
  );
}
