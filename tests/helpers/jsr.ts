/**
 * A registry of the JSR kind for tests, on loopback: takes what `deno publish` sends and serves
 * packages as JSR does. Deno uses it when the environment variable `JSR_URL` holds its `url`.
 */

type Bytes = Uint8Array<ArrayBuffer>;

export interface Package {
  /** With the scope: `@scope/name`. */
  readonly name: string;
  readonly version: string;
  /** What may be imported, each with its file: `{ ".": "./mod.ts" }`. */
  readonly exports: Record<string, string>;
  /** By path, without a slash at the start: `src/keys.ts`. */
  readonly files: ReadonlyMap<string, Bytes>;
}

export interface Registry extends AsyncDisposable {
  /** `http://127.0.0.1:PORT/`. */
  readonly url: string;
  /** What `deno publish` brought. */
  readonly published: readonly Package[];
  /** The paths that were served, as in `/@scope/name/1.0.0/mod.ts`. */
  readonly served: ReadonlySet<string>;
}

/** Starts a registry that has these packages from the start; closed by `await using`. */
export async function startRegistry(...packages: Package[]): Promise<Registry> {
  const pages = new Map<string, Bytes>();
  const published: Package[] = [];
  const served = new Set<string>();
  const add = async (added: Package) => {
    for (const [path, page] of await pagesOf(added)) pages.set(path, page);
  };
  for (const each of packages) await add(each);

  const handle = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url);
    if (request.method === "POST") {
      const received = await receive(request);
      published.push(received);
      await add(received);
      return Response.json({ id: "1", status: "success", error: null });
    }
    if (isPackageOfApi(pathname)) return Response.json({});
    const page = pages.get(pathname);
    if (page === undefined) {
      return Response.json({ code: "notFound", message: pathname }, { status: 404 });
    }
    served.add(pathname);
    return new Response(page);
  };

  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handle);
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    published,
    served,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** The stand-ins of `vendor/` for the packages that the published one imports. */
export function standIns(): Promise<Package[]> {
  return Promise.all(["std_dotenv", "std_http"].map(standIn));
}

async function standIn(folder: string): Promise<Package> {
  const root = new URL(`../../vendor/${folder}/`, import.meta.url);
  const config: Config = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  const files = new Map<string, Bytes>();
  for await (const { name } of Deno.readDir(root)) {
    const source = await Deno.readTextFile(new URL(name, root));
    files.set(name, new TextEncoder().encode(withoutImportMap(source, config.imports)));
  }
  return describe(config, files);
}

/** As `deno publish` does it: a package has no import map of its own. */
function withoutImportMap(source: string, imports: Record<string, string> = {}): string {
  return Object.entries(imports).reduce(
    (text, [name, target]) => text.replaceAll(`from "${name}`, `from "${target}`),
    source,
  );
}

/** The package in the request of `deno publish`: a gzipped tar, and the path of its `deno.json`. */
async function receive(request: Request): Promise<Package> {
  if (request.body === null) throw new Error("Nothing was published");
  const tar = request.body.pipeThrough(new DecompressionStream("gzip"));
  const files = untar(await new Response(tar).bytes());
  const config = new URL(request.url).searchParams.get("config")?.slice(1) ?? "";
  return describe(JSON.parse(new TextDecoder().decode(files.get(config))), files);
}

interface Config {
  readonly name: string;
  readonly version: string;
  readonly exports: string | Record<string, string>;
  readonly imports?: Record<string, string>;
}

function describe({ name, version, exports }: Config, files: Map<string, Bytes>): Package {
  return {
    name,
    version,
    exports: typeof exports === "string" ? { ".": exports } : exports,
    files,
  };
}

/** Whether Deno asks here if a package may be published to: `/api/scopes/SCOPE/packages/NAME`. */
function isPackageOfApi(path: string): boolean {
  return /^\/api\/scopes\/[^/]+\/packages\/[^/]+$/.test(path);
}

/** Everything that JSR serves for a package, by path. */
async function pagesOf({ name, version, exports, files }: Package): Promise<Map<string, Bytes>> {
  const pages = new Map<string, Bytes>();
  const manifest: Record<string, { size: number; checksum: string }> = {};
  for (const [path, bytes] of files) {
    pages.set(`/${name}/${version}/${path}`, bytes);
    manifest[`/${path}`] = { size: bytes.length, checksum: await checksum(bytes) };
  }
  pages.set(`/${name}/${version}_meta.json`, json({ manifest, exports }));
  pages.set(`/${name}/meta.json`, json({ latest: version, versions: { [version]: {} } }));
  return pages;
}

function json(value: unknown): Bytes {
  return new TextEncoder().encode(JSON.stringify(value));
}

async function checksum(bytes: Bytes): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `sha256-${digest.toHex()}`;
}

/** The size of a tar header; what follows is filled up to a multiple of it. */
const TAR_BLOCK = 512;

/** The files of a tar that holds nothing but files with short paths, as that of `deno publish`. */
function untar(tar: Bytes): Map<string, Bytes> {
  const files = new Map<string, Bytes>();
  let start = 0;
  while (start < tar.length && tar[start] !== 0) {
    const field = (from: number, to: number): string =>
      new TextDecoder().decode(tar.subarray(start + from, start + to)).replace(/\0.*/s, "");
    const path = field(0, 100);
    const size = parseInt(field(124, 136), 8);
    const type = field(156, 157);
    if (type !== "" && type !== "0") throw new Error(`${path} is of the type ${type}`);
    start += TAR_BLOCK;
    files.set(path, tar.slice(start, start + size));
    start += Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
  }
  return files;
}
