import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { remoteAddressOf } from "../../system/remote-address.ts";

/** The behavior of Node 24 for fe80::1%eth0 once eth0 is gone. */
const pulledOut = {
  get remoteAddress(): string {
    throw Object.assign(new Error("ENXIO: no such device or address, uv_if_indextoiid"), { code: "ENXIO" });
  },
};

test("a connection over a network card that was just pulled out has no address and does not crash the program", async () => {
  expect(remoteAddressOf(pulledOut)).toBeUndefined();
  expect(remoteAddressOf({ remoteAddress: undefined })).toBeUndefined();
  const server = createServer((request, response) => response.end(remoteAddressOf(request.socket)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("127.0.0.1");
  const closed: Socket = connect(port, "127.0.0.1");
  await new Promise((resolve) => closed.once("connect", resolve));
  closed.destroy();
  expect(remoteAddressOf(closed)).toBeUndefined();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

test("no other file reads a socket's remote address", () => {
  const root = join(import.meta.dirname, "../..");
  const rooms = ["agent", "cli", "dashboard", "image", "ota", "provisioning", "system"];
  const found = execFileSync("git", ["grep", "-l", "[.]remoteAddress", "--", ...rooms], {
    cwd: root,
    encoding: "utf8",
  });
  expect(found).toBe("system/remote-address.ts\n");
});
