// The builder stops at a mirror that never stops sending, before disk or memory fills.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { mirrorState } from "../../../../image/bundle/debian/mirror-state.ts";
import { parseSource } from "../../../../image/bundle/debian/sources.ts";
import { run } from "../../../../system/command.ts";
import { lacks } from "../../../lacks.ts";

const ended: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0)) await end();
});

test.skipIf(lacks("apt-get"))("b3-client: the builder aborts the download of an endless index", async () => {
  let sentMiB = 0;
  const server = createServer((_request, response) => {
    const go = () => {
      while (!response.destroyed && sentMiB < 4096) {
        sentMiB += 1;
        if (!response.write(Buffer.alloc(1 << 20, "Origin: Debian\n"))) return void response.once("drain", go);
      }
    };
    response.on("error", () => {});
    go();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ended.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const source = parseSource(`deb http://127.0.0.1:${(server.address() as AddressInfo).port}/debian bookworm main`);
  const direct: typeof run = (argv, options) => run(argv, { ...options, env: { http_proxy: undefined } });
  await expect(mirrorState([source], direct)).rejects.toMatchObject({ code: "build.failed" });
  expect(sentMiB).toBeLessThan(256);
});
