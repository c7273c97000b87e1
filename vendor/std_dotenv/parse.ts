import { parseEnv } from "node:util";

export function parse(text: string): Record<string, string> {
  return { ...parseEnv(text) } as Record<string, string>;
}
