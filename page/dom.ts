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

/** Removes the first children of an element while it has more than `max`. */
export function trim(element: Element, max: number): void {
  while (element.childElementCount > max) element.firstElementChild?.remove();
}

/** Whether an element that scrolls shows its end, so that it should follow what is added. */
export function followsEnd({ scrollTop, clientHeight, scrollHeight }: Element): boolean {
  return scrollTop + clientHeight > scrollHeight - 40;
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
