/** Reads the JSON object in the body of a request, within a bound. */

import { isObject } from "../protocol/messages.ts";
import { errorResponse, NO_STORE, STATUS_CODE } from "./responses.ts";

/** Maximum size of the body of a request, in bytes. */
export const MAX_BODY_BYTES = 16384;

/**
 * Reads the body of a request.
 *
 * @param example A body that the route accepts, for the message about one that it does not.
 * @returns The object, or the response to a body that is something else.
 */
export async function readJsonObject(
  request: Request,
  example: string,
): Promise<Record<string, unknown> | Response> {
  if (!isJson(request.headers.get("content-type"))) {
    return refuse(STATUS_CODE.UnsupportedMediaType, "Send the body as application/json");
  }
  const text = await readText(request, MAX_BODY_BYTES).catch(() => "");
  if (text === null) {
    return refuse(STATUS_CODE.ContentTooLarge, `The body has more than ${MAX_BODY_BYTES} bytes`);
  }
  return parseObject(text) ??
    refuse(STATUS_CODE.BadRequest, `The body must be a JSON object such as ${example}`);
}

function refuse(status: number, message: string): Response {
  return errorResponse(status, message, NO_STORE);
}

function isJson(contentType: string | null): boolean {
  return contentType?.split(";", 1)[0]?.trim().toLowerCase() === "application/json";
}

/**
 * Reads the body as text; `null` as soon as it has more than `max` bytes. Rejects if it is cut short
 * or not UTF-8.
 */
async function readText(request: Request, max: number): Promise<string | null> {
  if (Number(request.headers.get("content-length")) > max) return null;
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > max) return null;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
