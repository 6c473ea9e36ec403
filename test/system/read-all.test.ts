import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { afterEach, expect, test } from "vitest";
import { free } from "../../system/free.ts";
import { ask } from "../../system/http/ask.ts";
import { readAll, readBytes } from "../../system/read-all.ts";
import { eventually } from "../eventually.ts";

const ended: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

test("a stream within the limit is read completely; a longer one is refused", async () => {
  expect(await readAll(Readable.from([Buffer.from("one "), Buffer.from("two")]), 7)).toBe("one two");
  await expect(readAll(Readable.from([Buffer.from("one "), Buffer.from("two!")]), 7)).rejects.toThrow("longer than 7");
});

test.each([{ "content-length": "268435456" }, {}])(
  "b3-client: an answer of 256 MB with headers %j is cut off, and its connection is closed",
  async (headers) => {
    let sent = 0;
    let isClosed = false;
    const server = createServer((_request, response) => {
      response.writeHead(200, headers);
      const block = Buffer.alloc(1 << 20);
      const go = () => {
        while (sent < 256 && !response.destroyed) {
          sent += 1;
          if (!response.write(block)) return void response.once("drain", go);
        }
      };
      response
        .on("error", () => {})
        .on("close", () => {
          isClosed = true;
        });
      go();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ended.push(() => new Promise((resolve) => server.close(resolve)));
    const where = { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
    await expect(ask(where, { path: "/", maxBytes: 1 << 20 })).rejects.toThrow("longer than 1048576 bytes");
    await eventually(() => isClosed);
    // No more than the kernel's buffers at both ends hold.
    expect(sent).toBeLessThan(64);
  },
);

test("pieces are given back once they are copied", async () => {
  const pieces = [Buffer.alloc(100_000, 1), Buffer.alloc(100_000, 2)];
  const whole = Buffer.concat(pieces);
  const read = await readBytes(Readable.from(pieces), 1_000_000, free);
  expect(read.equals(whole)).toBe(true);
  expect(pieces.map(({ length }) => length)).toEqual([0, 0]);
});
