/** Event targets whose events have types, as those of the DOM have; and what `using` can end. */

/** An `EventTarget` with the events of `Events`, which maps their names to their types. */
export class TypedEventTarget<Events> extends EventTarget {}

/** What TypeScript is to know of it. */
export interface TypedEventTarget<Events> {
  /** Listens to one of the events. */
  addEventListener<Type extends keyof Events>(
    type: Type,
    listener: (event: Events[Type]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  /** Listens to any event. */
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

/** Fires one of the events. */
type Emit<Events> = <Type extends keyof Events & string>(
  type: Type,
  detail: Events[Type] extends CustomEvent<infer Detail> ? Detail : undefined,
) => void;

/** Returns a function that fires events at a target. */
export function emitterOf<Events>(target: TypedEventTarget<Events>): Emit<Events> {
  return (type, detail) => void target.dispatchEvent(new CustomEvent(type, { detail }));
}

/**
 * What `using` needs (ECMAScript Explicit Resource Management), where TypeScript knows of it: with
 * `lib: ["ES2022"]` a declaration that names `Symbol.dispose` would be an error.
 */
export type UsingTarget = SymbolConstructor extends { readonly dispose: infer Key extends symbol }
  ? Record<Key, () => void>
  : Record<never, never>;
