/** The proxies of `deploy/`, each with its own configuration file, on loopback and a free port. */

import { assert, assertEquals } from "@std/assert";
import type { Certificate } from "./certificate.ts";
import { until } from "./patience.ts";
import { ROOT, type Running, start } from "./command.ts";
import { freePort } from "./port.ts";

/** What stands in the files for a deployment's own. */
const INSTANCE = "127.0.0.1:8080";

export interface ProxyOptions {
  /** A fresh folder for what the proxy writes. */
  readonly folder: string;
  readonly certificate: Certificate;
  readonly port: number;
  /** What else is changed, such as what people get wrong: texts of the file, each has to be there. */
  readonly changes?: readonly (readonly [string, string])[];
}

export interface ProxyKind {
  readonly name: string;
  /** The file, from the project's folder. */
  readonly file: string;
  /** Whether it can be told to read its configuration again without closing WebSockets. */
  readonly reload: Deno.Signal | undefined;
  /** The lines for these instances. */
  instances(ports: readonly number[]): string;
  /** What else is replaced: texts of the file, each of which has to be there. */
  replacements(options: ProxyOptions): readonly (readonly [string, string])[];
  /** The arguments that check a file, and those that run it. */
  check(file: string): string[];
  run(file: string): string[];
  /** What it writes once it has started. */
  readonly started: RegExp;
  /** What it writes for each reload, if it does. */
  readonly reloaded?: string;
}

export interface TlsProxy extends AsyncDisposable {
  /** `https://localhost:PORT`. */
  readonly url: string;
  /** All that it has logged, when it has ended. */
  readonly log: string;
  /** Makes it forward new clients to these instances instead. */
  reload(ports: readonly number[]): Promise<void>;
  /** Ends it. */
  stop(): Promise<void>;
}

const lines = (ports: readonly number[], line: (port: number) => string) =>
  ports.map(line).join("\n");

const NGINX: ProxyKind = {
  name: "nginx",
  file: "deploy/nginx/nginx.conf",
  reload: "SIGHUP",
  instances: (ports) => lines(ports, (port) => `server 127.0.0.1:${port};`),
  replacements: ({ folder, certificate, port }) => [
    ["listen 443 ssl;", `listen 127.0.0.1:${port} ssl;`],
    ["/etc/nginx/tls/fullchain.pem", certificate.certificateFile],
    ["/etc/nginx/tls/privkey.pem", certificate.keyFile],
    ["pid /run/nginx.pid;", `pid ${folder}/nginx.pid; daemon off;`],
    ["/var/log/nginx/error.log", "/dev/stderr"],
    ["/var/log/nginx/access.log", "/dev/stdout"],
    ["worker_processes auto;", "worker_processes 1;"],
  ],
  check: (file) => ["-t", "-e", "stderr", "-c", file],
  run: (file) => ["-e", "stderr", "-c", file],
  started: /^/,
};

const CADDY: ProxyKind = {
  name: "caddy",
  file: "deploy/caddy/Caddyfile",
  reload: undefined,
  instances: (ports) => `reverse_proxy ${ports.map((port) => `127.0.0.1:${port}`).join(" ")} {`,
  replacements: ({ certificate: { certificateFile, keyFile }, port }) => [
    ["\n{\n", "\n{\nadmin off\nauto_https disable_redirects\n"],
    [
      "signal.example.com {",
      `https://localhost:${port} {\nbind 127.0.0.1\ntls ${certificateFile} ${keyFile}\n`,
    ],
  ],
  check: (file) => ["validate", "--adapter", "caddyfile", "--config", file],
  run: (file) => ["run", "--adapter", "caddyfile", "--config", file],
  started: /serving initial configuration/,
};

const HAPROXY: ProxyKind = {
  name: "haproxy",
  file: "deploy/haproxy/haproxy.cfg",
  reload: "SIGUSR2",
  instances: (ports) => lines(ports, (port) => `server at-${port} 127.0.0.1:${port}`),
  replacements: ({ folder, certificate, port }) => [
    ["bind :443", `bind 127.0.0.1:${port}`],
    ["/etc/haproxy/tls/signal.pem", certificate.bundleFile],
    ["/run/haproxy/admin.sock", `${folder}/haproxy.sock`],
  ],
  check: (file) => ["-c", "-f", file],
  run: (file) => ["-W", "-f", file],
  started: /Loading success/,
  reloaded: "Reloading HAProxy",
};

export const PROXIES: readonly ProxyKind[] = [NGINX, CADDY, HAPROXY];

/** What the line of the instance is in each file. */
const INSTANCE_LINE = new RegExp(`^\\s*(?:server|reverse_proxy) .*${INSTANCE}.*$`, "m");

/** The file of a proxy for instances on these ports. */
async function configure(
  kind: ProxyKind,
  ports: readonly number[],
  options: ProxyOptions,
): Promise<string> {
  const replace = (text: string, [from, to]: readonly [string, string]) => {
    assert(text.includes(from), `${kind.file} has no ${from}`);
    return text.replace(from, to);
  };
  const file = await Deno.readTextFile(ROOT + kind.file);
  const text = kind.replacements(options).reduce(replace, file);
  assert(INSTANCE_LINE.test(text), `${kind.file} names no instance`);
  const complete = text.replace(INSTANCE_LINE, kind.instances(ports));
  return (options.changes ?? []).reduce(replace, complete);
}

/** Checks the configuration of a proxy with the proxy itself, and starts it. */
export async function startTlsProxy(
  kind: ProxyKind,
  ports: readonly number[],
  options: Omit<ProxyOptions, "port">,
): Promise<TlsProxy> {
  const port = freePort();
  const file = `${options.folder}/${kind.name}.conf`;
  const write = async (instances: readonly number[]) =>
    await Deno.writeTextFile(file, await configure(kind, instances, { ...options, port }));
  const env = { HOME: options.folder, XDG_DATA_HOME: options.folder };
  await write(ports);
  await using check = start(kind.name, kind.check(file), { env });
  assertEquals(await check.exited, 0, check.stdout() + check.stderr());
  const running = start(kind.name, kind.run(file), { env });
  await running.line(kind.started);
  return {
    url: `https://localhost:${port}`,
    get log() {
      return running.stdout() + running.stderr();
    },
    async reload(instances) {
      assert(kind.reload !== undefined, `${kind.name} closes WebSockets when it is told to reload`);
      await write(instances);
      await tellToReload(running, kind.reload, kind.reloaded);
    },
    stop: () => stop(running),
    [Symbol.asyncDispose]: () => stop(running),
  };
}

/** HAProxy 2.6 loses a signal that comes right after its start: it is sent until there is an answer. */
async function tellToReload(running: Running, signal: Deno.Signal, answer?: string): Promise<void> {
  const answers = () => answer === undefined ? 0 : running.stderr().split(answer).length;
  const before = answers();
  running.kill(signal);
  if (answer === undefined) return;
  let waits = 0;
  await until("it to reload", () => {
    if (++waits % 50 === 0) running.kill(signal);
    return answers() > before;
  });
}

/** By a signal that ends its workers along with it. */
async function stop(running: Running): Promise<void> {
  try {
    running.kill("SIGTERM");
  } catch {
    // It has ended.
  }
  await running.exited;
}
