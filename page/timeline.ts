/** The list of what has happened, each step with the time since the start. */

import { Lines, make } from "./dom.ts";
import { plainText } from "./plain.ts";

/** The steps that a connection takes. */
export type Step =
  | "server"
  | "token"
  | "socket"
  | "ICE servers"
  | "room"
  | "list"
  | "offer"
  | "answer"
  | "candidates"
  | "selected pair"
  | "round trip"
  | "channel"
  | "file"
  | "end";

/** How a step went. */
export type Outcome = "ok" | "wait" | "bad";

/** Entries that are kept. */
const MAX_ENTRIES = 300;

/** Shows steps. */
export class Timeline {
  readonly #lines: Lines;
  #start = performance.now();

  constructor(list: HTMLElement) {
    this.#lines = new Lines(list, MAX_ENTRIES);
  }

  /** Counts the time from now on. */
  restart(): void {
    this.#start = performance.now();
    this.#lines.clear();
  }

  add(step: Step, text: string, outcome: Outcome = "ok"): void {
    const seconds = ((performance.now() - this.#start) / 1000).toFixed(3);
    const entry = make(
      "li",
      { "data-step": step, "data-outcome": outcome },
      make("span", { class: "time" }, `${seconds} s`),
      " ",
      make("b", {}, outcome === "bad" ? `Failed: ${step}` : step),
      " ",
      make("span", {}, plainText(text)),
    );
    this.#lines.add(entry);
  }
}
