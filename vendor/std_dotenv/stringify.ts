export function stringify(object: Record<string, string>): string {
  return Object.entries(object)
    .map(([name, value]) => `${name}=${/^\w*$/.test(value) ? value : `'${value}'`}`)
    .join("\n");
}
