import * as std from "deno-std/http/status.js";

type Name =
  | "SwitchingProtocols"
  | "OK"
  | "Created"
  | "NoContent"
  | "NotModified"
  | "BadRequest"
  | "Unauthorized"
  | "Forbidden"
  | "NotFound"
  | "MethodNotAllowed"
  | "ContentTooLarge"
  | "UnsupportedMediaType"
  | "UpgradeRequired"
  | "TooManyRequests"
  | "InternalServerError"
  | "ServiceUnavailable"
  | "InsufficientStorage";

export const STATUS_CODE: Readonly<Record<Name, number>> = std.STATUS_CODE;
