/**
 * Gives the metrics to OpenTelemetry, where the runtime exports them: Deno with `OTEL_DENO=true`. The
 * numbers are read when Deno exports, so that counting costs no more; a histogram alone is told of each
 * observation, because OpenTelemetry has no histogram that is read.
 */

import type { Family, Labels } from "./family.ts";

/** What is used of a meter; Deno's has no types. */
interface Meter {
  createObservableCounter(name: string, options: InstrumentOptions): object;
  createObservableGauge(name: string, options: InstrumentOptions): object;
  createHistogram(name: string, options: InstrumentOptions): {
    record(value: number, attributes: Labels): void;
  };
  addBatchObservableCallback(callback: BatchCallback, instruments: readonly object[]): void;
  removeBatchObservableCallback(callback: BatchCallback, instruments: readonly object[]): void;
}

type BatchCallback = (result: BatchResult) => void;

interface BatchResult {
  observe(instrument: object, value: number, attributes: Labels): void;
}

interface InstrumentOptions {
  readonly description: string;
  readonly unit?: string;
  readonly advice?: { readonly explicitBucketBoundaries: readonly number[] };
}

/** The name of the instrumentation scope. */
const SCOPE = "client-db-sync";

/** The symbol under which the API of OpenTelemetry, and Deno where it exports, registers itself. */
const REGISTRATION = Symbol.for("opentelemetry.js.api.1");

/** The meter of the runtime; `undefined` where it exports nothing. */
function findMeter(version: string): Meter | undefined {
  if (!(REGISTRATION in globalThis) || !("Deno" in globalThis)) return undefined;
  try {
    return Deno.telemetry.meterProvider.getMeter(SCOPE, version);
  } catch {
    return undefined; // The host's own OpenTelemetry, which Deno does not export.
  }
}

/**
 * Exports metrics for as long as the runtime exports any.
 *
 * @param read Reads them; always the same names.
 * @param version The version of this server.
 * @returns Ends the export.
 */
export function exportMetrics(read: () => readonly Family[], version: string): () => void {
  const meter = findMeter(version);
  if (meter === undefined) return () => {};
  const instruments = new Map<string, object>();
  const histograms: { listener: unknown }[] = [];
  for (const family of read()) {
    const [name, options] = describe(family);
    if (family.kind === "histogram") {
      for (const { labels, histogram } of family.samples) {
        const advice = { explicitBucketBoundaries: histogram.bounds };
        const instrument = meter.createHistogram(name, { ...options, advice });
        histogram.listener = (value) => instrument.record(value, labels);
        histograms.push(histogram);
      }
    } else {
      const instrument = family.kind === "counter"
        ? meter.createObservableCounter(name, options)
        : meter.createObservableGauge(name, options);
      instruments.set(family.name, instrument);
    }
  }
  const observe = (result: BatchResult) => {
    for (const family of read()) {
      const instrument = instruments.get(family.name);
      if (family.kind === "histogram" || instrument === undefined) continue;
      for (const { labels, value } of family.samples) result.observe(instrument, value, labels);
    }
  };
  const observed = [...instruments.values()];
  meter.addBatchObservableCallback(observe, observed);
  return () => {
    meter.removeBatchObservableCallback(observe, observed);
    for (const histogram of histograms) histogram.listener = undefined;
  };
}

/** The units that names end with in Prometheus, as UCUM writes them. */
const UNITS: Readonly<Record<string, string>> = { seconds: "s", bytes: "By" };

/**
 * The name and unit of an instrument: a collector that turns them into those of Prometheus adds the
 * unit and `_total` again.
 */
function describe({ name, help, otelName }: Family): [string, InstrumentOptions] {
  const [, stem = name, unit] = /^(.*?)(?:_(seconds|bytes))?(?:_total)?$/.exec(name) ?? [];
  const dotted = otelName ?? stem.replace(/^client_db_sync_/, "client_db_sync.");
  const ucum = unit && UNITS[unit];
  return [dotted, { description: help, ...(ucum && { unit: ucum }) }];
}
