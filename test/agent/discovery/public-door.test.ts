import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { sayHello } from "../../../agent/discovery/hello.ts";
import { makePublicDoor } from "../../../agent/discovery/public-door.ts";
import { silentLog } from "../../../system/log.ts";

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "::", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test("a device that is not a member shows its page and refuses hellos, until its door is closed", async () => {
  const port = await freePort();
  const warnings = { raise: () => {}, clear: () => {} };
  const door = makePublicDoor({ port, page: (_, response) => response.end("a page"), log: silentLog, warnings });
  await door.open();
  await door.open();
  expect(await fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.text())).toBe("a page");
  await expect(sayHello("127.0.0.1", port, { record: "a.b.c", known: [], revocations: [] })).rejects.toMatchObject({
    code: "hello.refused",
    message: expect.stringContaining("not a member"),
  });
  await door.close();
  await door.close();
  await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
});
