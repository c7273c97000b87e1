/**
 * Changes `.env` in the current folder in place, so that its owner, its permissions and a link to it
 * stay: one process at a time, in one write, which leaves a valid file wherever it is interrupted.
 */

import { type DecodedText, decodeText, encodeText } from "../config/env_file.ts";
import { Failure } from "./failure.ts";
import { keygenCommand } from "./surroundings.ts";

/** The file, in the current folder. */
export const ENV_FILE = ".env";

/** Longer files are no `.env` files. */
const MAX_BYTES = 1024 * 1024;

/**
 * Changes the file.
 *
 * @param edit Returns the new text for the present one; a {@linkcode Failure} leaves the file as it is.
 * @throws {Failure} There is no such file, it is in no known encoding, or it cannot be written.
 */
export async function updateEnvFile(edit: (text: string) => string | Promise<string>): Promise<
  void
> {
  try {
    using file = await Deno.open(ENV_FILE, { read: true, write: true });
    await file.lock(true);
    const before = await readAll(file);
    const { text, encoding } = decodeEnvFile(before);
    const mark = byteOrderMarkOf(before);
    const after = join(mark, encodeText(await edit(text), encoding));
    // Line breaks over the rest of a longer file: a valid file, if the process ends before truncating.
    const padding = "\n".repeat(Math.max(0, before.length - after.length));
    await writeAll(file, join(after, encodeText(padding, encoding)));
    await file.sync();
    await file.truncate(after.length);
  } catch (error) {
    throw writeFailure(error);
  }
}

/** Decodes the bytes of the file. */
export function decodeEnvFile(bytes: Uint8Array<ArrayBuffer>): DecodedText {
  const decoded = decodeText(bytes);
  if (decoded !== undefined) return decoded;
  const problem = "is neither UTF-8 nor UTF-16 with a byte order mark: save it as UTF-8";
  throw new Failure({ lines: [`${ENV_FILE} ${problem}`] });
}

/** The failure that an error of reading or writing the file stands for. */
export function writeFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof Deno.errors.NotCapable) {
    const flags = `--allow-read=${ENV_FILE} --allow-write=${ENV_FILE}`;
    const line = `Writing ${ENV_FILE} is not permitted. Run with: ${flags}`;
    return new Failure({ lines: [line] });
  }
  if (error instanceof Deno.errors.NotFound) {
    const line = `There is no ${ENV_FILE} in this folder. Run: ${keygenCommand()}`;
    return new Failure({ lines: [line] });
  }
  const reason = error instanceof Error ? error.message : error;
  return new Failure({ lines: [`${ENV_FILE} cannot be written: ${reason}`] });
}

async function readAll(file: Deno.FsFile): Promise<Uint8Array<ArrayBuffer>> {
  const { size } = await file.stat();
  if (size > MAX_BYTES) throw new Failure({ lines: [`${ENV_FILE} has more than 1 MiB`] });
  const bytes = new Uint8Array(size);
  let length = 0;
  while (length < size) {
    const count = await file.read(bytes.subarray(length));
    if (count === null) break;
    length += count;
  }
  return bytes.slice(0, length);
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  await file.seek(0, Deno.SeekMode.Start);
  let length = 0;
  while (length < bytes.length) length += await file.write(bytes.subarray(length));
}

/** The byte order mark, which decoding leaves out. */
function byteOrderMarkOf(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const [first, second, third] = bytes;
  if (first === 0xef && second === 0xbb && third === 0xbf) return bytes.slice(0, 3);
  const isUtf16 = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  return bytes.slice(0, isUtf16 ? 2 : 0);
}

function join(
  one: Uint8Array<ArrayBuffer>,
  other: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(one.length + other.length);
  bytes.set(one);
  bytes.set(other, one.length);
  return bytes;
}
