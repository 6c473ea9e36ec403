import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { socketPath } from "../../../../image/lab/network/sockets.ts";

test("a socket is reachable even if its folder's path is longer than a socket's path may be", async () => {
  const top = await mkdtemp(join(tmpdir(), "hamlet-sockets-"));
  const folder = join(top, "a-long-name-of-a-state-folder".repeat(3), "and-one-more-below-it".repeat(3));
  await mkdir(folder, { recursive: true });
  const path = socketPath(folder, "control.sock");
  expect(path.length).toBeLessThan(60);
  const server = createServer((socket) => socket.end("reached")).listen(path);
  await once(server, "listening");
  const [answer] = await once(connect(path), "data");
  expect(String(answer)).toBe("reached");
  server.close();
  await rm(top, { recursive: true });
});

test("a short path stays unchanged", () => {
  expect(socketPath("/run/lab", "control.sock")).toBe("/run/lab/control.sock");
});
