/** What clients ask a server for. Scripts use it, too: it imports nothing. */

/** The URL of `/signal` with this query. */
export function signalUrl(url: string, query: Record<string, string> = {}): string {
  const search = new URLSearchParams(query).toString();
  return `${url.replace("http", "ws")}/signal${search === "" ? "" : `?${search}`}`;
}

/** Asks a server for a room token. */
export async function requestToken(
  url: string,
  adminSecret: string,
  subject: string,
  ttl = "1h",
): Promise<string> {
  const response = await fetch(`${url}/token`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-admin-secret": adminSecret },
    body: JSON.stringify({ ttl, subject }),
  });
  if (response.status !== 201) throw new Error(`No token: ${await response.text()}`);
  return (await response.json()).token;
}
