/** The log of messages and files, and what is written into it. All of it is text of other people. */

import { bytesText, Lines, make } from "./dom.ts";
import type { TransferView } from "./files.ts";
import { plainName, plainText } from "./plain.ts";

/** Lines that are kept. */
const MAX_LINES = 200;

/** Characters of a message that are shown. */
const MAX_LENGTH = 4000;

/** Shows messages. */
export class Chat {
  readonly #lines: Lines;

  constructor(log: HTMLElement) {
    this.#lines = new Lines(log, MAX_LINES);
  }

  /** Shows a message of a peer, or of this page. */
  message(from: string, text: string, isOwn = false): void {
    const shown = text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text;
    const name = make("b", {}, plainText(from));
    this.#lines.add(make("p", { class: isOwn ? "own" : "theirs" }, name, " ", shown));
  }

  /** Says that something has happened. */
  note(text: string): void {
    this.#lines.add(make("p", { class: "note" }, plainText(text)));
  }

  /** Shows a file on its way. */
  transfer(
    from: string,
    file: { readonly name: string; readonly size: number },
    isOwn: boolean,
  ): TransferView {
    const state = make("span");
    const fileName = plainName(file.name);
    const bar = make("progress", { max: String(file.size || 1), "aria-label": fileName });
    const name = make("span", { class: "file" }, fileName);
    const line = make(
      "p",
      { class: isOwn ? "own" : "theirs" },
      make("b", {}, plainText(from)),
      " ",
      name,
    );
    line.append(` (${bytesText(file.size)}) `, bar, state);
    this.#lines.add(line);
    return {
      progress: (bytes) => bar.value = bytes,
      done(url) {
        bar.remove();
        state.textContent = isOwn ? "delivered" : "";
        if (url !== undefined) {
          name.replaceWith(
            make("a", { href: url, download: fileName, class: "file" }, `Save ${fileName}`),
          );
        }
      },
      failed(reason) {
        bar.remove();
        state.textContent = `not delivered: ${reason.slice(0, 100)}`;
      },
      dropped() {
        line.querySelector("a")?.replaceWith(make("span", { class: "file" }, fileName));
        state.textContent = "no longer kept";
      },
    };
  }
}
