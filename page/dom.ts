/**
 * Finding and making elements. Texts are added as text, never as HTML: names and messages are those of
 * other people.
 */

/** The element with this id. */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new TypeError(`There is no #${id}`);
  return element;
}

/** Makes an element. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** How long lines wait to be added together, in milliseconds: to measure an element costs a layout. */
const GATHER_MS = 30;

/** The last lines of many, in an element that scrolls and follows its end while that is shown. */
export class Lines {
  readonly #element: HTMLElement;
  readonly #max: number;
  #waiting: HTMLElement[] = [];
  #timer = 0;

  /**
   * @param element What contains the lines.
   * @param max How many are kept, and how many wait to be added.
   */
  constructor(element: HTMLElement, max: number) {
    this.#element = element;
    this.#max = max;
  }

  /** Adds a line, in a moment: a timer, since hidden pages get no animation frames. */
  add(line: HTMLElement): void {
    this.#waiting.push(line);
    if (this.#waiting.length > this.#max) this.#waiting.shift();
    if (this.#timer === 0) this.#timer = setTimeout(() => this.#flush(), GATHER_MS);
  }

  /** Removes every line, also those that wait. */
  clear(): void {
    this.#waiting = [];
    this.#element.replaceChildren();
  }

  #flush(): void {
    const element = this.#element;
    this.#timer = 0;
    const followsEnd = element.scrollTop + element.clientHeight > element.scrollHeight - 40;
    element.append(...this.#waiting);
    this.#waiting = [];
    while (element.childElementCount > this.#max) element.firstElementChild?.remove();
    if (followsEnd) element.scrollTop = element.scrollHeight;
  }
}

/** Bytes as a person reads them. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), units.length);
  return `${(bytes / 1000 ** power).toFixed(1)} ${units[power - 1]}`;
}

/** Milliseconds as a person reads them. */
export function msText(ms: number): string {
  return ms < 10
    ? `${ms.toFixed(1)} ms`
    : ms < 10_000
    ? `${Math.round(ms)} ms`
    : `${Math.round(ms / 1000)} s`;
}
