/**
 * Texts of other people, such as names, made safe to show. What a name is in the protocol stays as it is:
 * these are for what is seen alone.
 */

const MAX_FILE_NAME_LENGTH = 120;

/** A text on one line, without characters that hide or turn around what follows. */
export function plainText(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "_");
}

/** The name of a file: without folders too, and no longer than it needs to be. */
export function plainName(name: string): string {
  const plain = plainText(name).replace(/[\\/:*?"<>|]/g, "_").replace(/^\.+/, "").trim();
  return [...plain].slice(-MAX_FILE_NAME_LENGTH).join("") || "file";
}

/** A time as a person reads it, from milliseconds since the Unix epoch; without marks of direction. */
export function timeText(ms: number): string {
  return new Date(ms).toLocaleString().replace(/\p{Cf}/gu, "");
}
