import * as std from "deno-std/http/etag.js";

export const eTag: (entity: string, options?: { weak?: boolean }) => Promise<string> = std.eTag;
export const ifNoneMatch: (value: string | null, etag: string | undefined) => boolean =
  std.ifNoneMatch;
