/** The Dockerfile, built and run for real: without Docker, on a stand-in for its base image. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Client } from "../helpers/client.ts";
import { ROOT } from "../helpers/command.ts";
import { buildImage, canBuildImages, findBelow } from "../helpers/image.ts";
import { listening } from "../helpers/main.ts";
import { signalUrl } from "../helpers/server.ts";

const DOCKERFILE = await Deno.readTextFile(`${ROOT}Dockerfile`);

/** The bytes that sources and cached packages take; what only tests import has 60 MB more. */
const MAX_ADDED_BYTES = 20e6;

Deno.test({
  name: "Dockerfile: clients meet in its container, without privileges, until SIGTERM drains it",
  ignore: !canBuildImages,
  async fn() {
    await using image = await buildImage();
    const { Entrypoint, Cmd, User, StopSignal, Healthcheck } = image.config;
    assertEquals([User, StopSignal], ["1000", "SIGTERM"]);
    assert(image.addedBytes < MAX_ADDED_BYTES, `${image.addedBytes} bytes in the image`);

    const env = { AUTH_DISABLED: "true", HOST: "127.0.0.1", PORT: "0" };
    await using container = image.run([...Entrypoint, ...Cmd], env);
    const { url, port } = await listening(container);
    await using a = await Client.join(signalUrl(url, { nodeId: "a" }));
    await using b = await Client.join(signalUrl(url, { nodeId: "b" }));
    b.send({ type: "offer", to: "a", sdp: {} });
    assertEquals((await a.next("offer")).from, "b");

    const [shell, check = ""] = Healthcheck.Test;
    assertEquals(shell, "CMD-SHELL");
    await using healthy = image.run(["sh", "-c", check], { PORT: String(port) });
    assertEquals(await healthy.exited, 0, healthy.stderr());
    await using unhealthy = image.run(["sh", "-c", check], { PORT: "1" });
    assertEquals(await unhealthy.exited, 1);

    const server = await findBelow(container.pid, "deno");
    assertEquals(server?.uid, 1000);
    Deno.kill(server?.pid ?? 0, "SIGTERM");
    assertEquals((await a.closed).code, 1001);
    assertEquals((await b.closed).code, 1001);
    assertEquals(await container.exited, 0, container.stdout() + container.stderr());
    assertMatch(container.stdout(), /"Stopping"/);
  },
});

Deno.test("Dockerfile: its base is pinned, and it says what it is", () => {
  assertMatch(DOCKERFILE, /^FROM denoland\/deno:alpine-\d+\.\d+\.\d+$/m);
  for (const label of ["title", "description", "licenses"]) {
    assertMatch(DOCKERFILE, new RegExp(`org\\.opencontainers\\.image\\.${label}="[^"]+"`));
  }
});
