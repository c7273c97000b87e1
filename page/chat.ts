/** The log of messages and files, and what is written into it. All of it is text of other people. */

import { bytesText, followsEnd, make, trim } from "./dom.ts";
import type { TransferView } from "./files.ts";

/** Lines that are kept. */
const MAX_LINES = 200;

/** Characters of a message that are shown. */
const MAX_LENGTH = 4000;

/** Shows messages. */
export class Chat {
  readonly #log: HTMLElement;

  constructor(log: HTMLElement) {
    this.#log = log;
  }

  /** Shows a message of a peer, or of this page. */
  message(from: string, text: string, isOwn = false): void {
    const shown = text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text;
    this.#add(make("p", { class: isOwn ? "own" : "theirs" }, make("b", {}, from), " ", shown));
  }

  /** Says that something has happened. */
  note(text: string): void {
    this.#add(make("p", { class: "note" }, text));
  }

  /** Shows a file on its way. */
  transfer(
    from: string,
    file: { readonly name: string; readonly size: number },
    isOwn: boolean,
  ): TransferView {
    const state = make("span");
    const bar = make("progress", { max: String(file.size || 1), "aria-label": file.name });
    const name = make("span", { class: "file" }, file.name);
    const line = make("p", { class: isOwn ? "own" : "theirs" }, make("b", {}, from), " ", name);
    line.append(` (${bytesText(file.size)}) `, bar, state);
    this.#add(line);
    return {
      progress: (bytes) => bar.value = bytes,
      done(url) {
        bar.remove();
        state.textContent = isOwn ? "delivered" : "";
        if (url !== undefined) {
          name.replaceWith(
            make("a", { href: url, download: file.name, class: "file" }, `Save ${file.name}`),
          );
        }
      },
      failed(reason) {
        bar.remove();
        state.textContent = `not delivered: ${reason.slice(0, 100)}`;
      },
      dropped() {
        line.querySelector("a")?.replaceWith(make("span", { class: "file" }, file.name));
        state.textContent = "no longer kept";
      },
    };
  }

  #add(line: HTMLElement): void {
    const follows = followsEnd(this.#log);
    this.#log.append(line);
    trim(this.#log, MAX_LINES);
    if (follows) this.#log.scrollTop = this.#log.scrollHeight;
  }
}
