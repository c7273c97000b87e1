/**
 * The text frames that a client sent while the server awaits a verdict on it, in the order in which
 * they came and within a bound. When they are read is the connection's decision.
 */

/** Maximum length of all frames in the queue together, in UTF-16 units. */
const MAX_LENGTH = 65536;

/** The frames of one connection that are still to be read. */
export class FrameQueue {
  readonly #frames: string[] = [];
  #length = 0;

  /** Adds a frame behind the others; `false` when there is too much in the queue already. */
  push(text: string): boolean {
    this.#length += text.length;
    if (this.#length > MAX_LENGTH) return false;
    this.#frames.push(text);
    return true;
  }

  /** Puts a frame that was taken out too early back in front of the others. */
  unshift(text: string): void {
    this.#length += text.length;
    this.#frames.unshift(text);
  }

  /** Takes the first frame out. */
  shift(): string | undefined {
    const text = this.#frames.shift();
    this.#length -= text?.length ?? 0;
    return text;
  }
}
