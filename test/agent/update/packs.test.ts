// Frames of packs: real servers with and without ranges.
import { hash, randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openRepositories } from "../../../agent/update/fetch.ts";
import type { Unpack } from "../../../agent/update/lend.ts";
import { makePacks, type Packs } from "../../../agent/update/packs.ts";
import { packPath } from "../../../ota/format/names.ts";
import { systemClock } from "../../../system/clock.ts";
import { patchFrame } from "../../ota/patch-frame.ts";
import { lendFromWeb } from "./from-web.ts";
import { breakAfter, serveWeb, type Web } from "./web.ts";

const ended: AsyncDisposable[] = [];
/** Long, for a busy machine; a test of a server that falls silent makes it short. */
const stallMs = 10_000;
let folder: string;
let keptPath: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hamlet-packs-"));
  keptPath = join(folder, "pack");
});
afterEach(async () => {
  for (const end of ended.splice(0)) await end[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** What an older release has there, and what the new one has. */
const dictionary = randomBytes(100_000);
const contents = Array.from({ length: 4 }, (_, index) => {
  const content = Buffer.from(dictionary.subarray(10_000 * index, 10_000 * index + 60_000));
  content.write("new", 5_000);
  return Buffer.concat([content, randomBytes(2_000)]);
});
const pack = packOf(contents.map((content) => patchFrame(dictionary, content)));

type Packed = { bytes: Buffer; path: string; requests: Omit<Unpack, "dictionary">[] };
function packOf(frames: Buffer[], made = contents): Packed {
  const bytes = Buffer.concat(frames);
  const sha256 = hash("sha256", bytes);
  let offset = 0;
  const requests = frames.map((frame, index) => {
    const request = {
      ...{ kind: "packed" as const, pack: { sha256, sizeBytes: bytes.length } },
      frame: { offset, length: frame.length },
      ...{ sha256: hash("sha256", made[index]!), sizeBytes: made[index]!.length, insteadBytes: 200_000 },
    };
    offset += frame.length;
    return request;
  });
  return { bytes, path: packPath(sha256), requests };
}

async function web({ bytes, path }: Packed = pack, hasRanges = true): Promise<Web> {
  const served = await serveWeb({ [path]: bytes });
  served.hasRanges = hasRanges;
  ended.push(served);
  return served;
}

type Device = {
  packs: Packs;
  fetch(request: Omit<Unpack, "dictionary">, by?: Buffer): Promise<Buffer>;
  carried(): number;
};
function device(webs: Web[], path = keptPath): Device {
  const urls = webs.map(({ url }) => url);
  const repositories = openRepositories({ urls, clock: systemClock, random: () => 0, stallMs, pauseMs: 1 });
  const packs = makePacks({ repositories, path });
  const lend = lendFromWeb({ repositories, packs });
  let carried = 0;
  const how = {
    signal: new AbortController().signal,
    onCarried(bytes: number) {
      carried += bytes;
    },
  };
  return {
    packs,
    fetch: (request, by = dictionary) => lend({ ...request, dictionary: Buffer.from(by) }, how),
    carried: () => carried,
  };
}
const refused = (code: string) => expect.objectContaining({ code });

test("a frame is fetched by its range alone, and unpacked with the older release as dictionary", async () => {
  const one = await web();
  const { fetch, carried } = device([one]);
  for (const [index, request] of pack.requests.entries()) {
    expect((await fetch(request)).equals(contents[index]!)).toBe(true);
  }
  const ranges = pack.requests.map(({ frame: { offset, length } }) => `bytes=${offset}-${offset + length - 1}`);
  expect(one.asked).toEqual(ranges.map((range) => `/${pack.path} ${range}`));
  expect(carried()).toBeLessThan(pack.bytes.length + 4 * 600);
  expect(existsSync(keptPath)).toBe(false);
});

test("a range whose connection breaks is continued where it broke", async () => {
  const one = await web();
  const { offset, length } = pack.requests[1]!.frame;
  one.behave = (request, response) => {
    one.behave = one.send;
    const rest = pack.bytes.subarray(offset, offset + length);
    const range = `bytes ${offset}-${offset + length - 1}/${pack.bytes.length}`;
    response.writeHead(206, { "content-length": length, "content-range": range });
    response.write(rest.subarray(0, 1_000), () => setImmediate(() => response.destroy()));
    request.resume();
  };
  expect((await device([one]).fetch(pack.requests[1]!)).equals(contents[1]!)).toBe(true);
  expect(one.asked.at(-1)).toBe(`/${pack.path} bytes=${offset + 1_000}-${offset + length - 1}`);
});

test("from a server without ranges the pack is fetched whole, once, and kept until no update needs it", async () => {
  const one = await web(pack, false);
  const { fetch, packs, carried } = device([one]);
  const made = await Promise.all(pack.requests.map((request) => fetch(request)));
  expect(made.every((bytes, index) => bytes.equals(contents[index]!))).toBe(true);
  // Each lane may have asked for a range before the first answer came.
  expect(one.asked.filter((asked) => !asked.includes("bytes="))).toEqual([`/${pack.path}`]);
  const asked = one.asked.length;
  await fetch(pack.requests[0]!);
  expect(one.asked).toHaveLength(asked);
  expect(carried()).toBeGreaterThan(pack.bytes.length);

  // An agent that starts anew finds it.
  const next = device([one]);
  expect((await next.fetch(pack.requests[2]!)).equals(contents[2]!)).toBe(true);
  expect(one.asked.slice(asked)).toEqual([expect.stringContaining("bytes=")]);
  await packs.forget();
  expect(existsSync(keptPath)).toBe(false);
});

test("a kept pack that was damaged is fetched again, and one that vanished costs no more than chunks", async () => {
  writeFileSync(keptPath, Buffer.alloc(pack.bytes.length));
  const { fetch } = device([await web(pack, false)]);
  expect((await fetch(pack.requests[0]!)).equals(contents[0]!)).toBe(true);
  expect(readFileSync(keptPath).equals(pack.bytes)).toBe(true);
  rmSync(keptPath);
  await expect(fetch(pack.requests[0]!)).rejects.toEqual(refused("update.noRanges"));
  expect((await fetch(pack.requests[0]!)).equals(contents[0]!)).toBe(true);
});

test("without ranges a pack that costs more than the chunks is not fetched, and the server is not asked again", async () => {
  const one = await web(pack, false);
  const { fetch } = device([one]);
  const dear = { ...pack.requests[0]!, insteadBytes: pack.bytes.length - 1 };
  for (const _ of [1, 2]) await expect(fetch(dear)).rejects.toEqual(refused("update.noRanges"));
  expect(one.asked).toHaveLength(1);
});

test("another repository that has ranges is asked before a pack is fetched whole", async () => {
  const [plain, ranges] = [await web(pack, false), await web()];
  const { fetch } = device([plain, ranges]);
  for (const request of pack.requests) await fetch(request);
  expect(plain.asked).toHaveLength(1);
  expect(ranges.asked).toHaveLength(4);
  expect(existsSync(keptPath)).toBe(false);
});

test("a whole pack with other bytes, or one that does not fit on the disk, is fetched in vain once", async () => {
  const other = await web({ ...pack, bytes: Buffer.alloc(pack.bytes.length) }, false);
  const { fetch } = device([other]);
  for (const _ of [1, 2, 3]) await expect(fetch(pack.requests[0]!)).rejects.toEqual(refused("update.noRanges"));
  expect(other.asked).toHaveLength(2);
  const one = await web(pack, false);
  // Each write to this device fails as on a full disk.
  await expect(device([one], "/dev/full").fetch(pack.requests[0]!)).rejects.toEqual(refused("update.noRanges"));
  await expect(device([one], "/dev/null/pack").fetch(pack.requests[0]!)).rejects.toEqual(refused("update.noRanges"));
});

test("a server that is gone while it sends the whole pack is tried again later", async () => {
  const one = await web(pack, false);
  const { fetch } = device([one]);
  await expect(fetch({ ...pack.requests[0]!, insteadBytes: 0 })).rejects.toEqual(refused("update.noRanges"));
  one.behave = breakAfter(one, 5_000);
  await expect(fetch(pack.requests[0]!)).rejects.toEqual(refused("update.unreachable"));
  one.behave = undefined;
  expect((await fetch(pack.requests[0]!)).equals(contents[0]!)).toBe(true);
});

test.each<[string, Record<string, string>]>([
  ["another range", { "content-range": `bytes 0-9/${pack.bytes.length}` }],
  ["no range", {}],
  ["several ranges", { "content-type": "multipart/byteranges; boundary=x" }],
])("a 206 with %s counts as a server without ranges", async (_, headers) => {
  const one = await web();
  one.behave = (request, response) =>
    request.headers.range ? void response.writeHead(206, headers).end("0123456789") : one.send(request, response);
  const { fetch } = device([one]);
  expect((await fetch(pack.requests[1]!)).equals(contents[1]!)).toBe(true);
  expect(one.asked).toHaveLength(2);
});

test("a pack that changed, in the middle of a range or in its length, is an error", async () => {
  const one = await web();
  const { offset, length } = pack.requests[1]!.frame;
  one.behave = (_, response) => {
    one.files.set(pack.path, randomBytes(pack.bytes.length));
    one.behave = one.send;
    const range = `bytes ${offset}-${offset + length - 1}/${pack.bytes.length}`;
    response.writeHead(206, { "content-length": length, "content-range": range });
    response.write(pack.bytes.subarray(offset, offset + 1_000), () => setImmediate(() => response.destroy()));
  };
  const { fetch } = device([one]);
  await expect(fetch(pack.requests[1]!)).rejects.toEqual(refused("update.badObject"));
  for (const sizeBytes of [pack.bytes.length + 1, pack.bytes.length - 1, 10]) {
    one.files.set(pack.path, Buffer.concat([pack.bytes, Buffer.alloc(1)]).subarray(0, sizeBytes));
    await expect(fetch(pack.requests[1]!)).rejects.toMatchObject({ code: /update\.(badObject|noRanges)/ });
  }
});

test("a member that names a pack longer than it is does not make its server one without ranges, nor one that failed", async () => {
  const [one, other] = [await web(), await web()];
  const { packs, fetch } = device([one, other]);
  const { frame, ...rest } = pack.requests[3]!;
  const longer = { ...rest.pack, sizeBytes: pack.bytes.length + 100 };
  const asked = { ...rest, pack: longer, frame: { offset: frame.offset, length: frame.length + 100 } };
  const how = { signal: AbortSignal.timeout(10_000), onCarried() {}, isForAnother: true };
  await expect(packs.frame(asked, how, async () => {})).rejects.toEqual(refused("update.badObject"));
  const before = other.asked.length;
  expect((await fetch(pack.requests[3]!)).equals(contents[3]!)).toBe(true);
  expect(one.asked.at(-1)).toContain("bytes=");
  expect(other.asked).toHaveLength(before);
});

test("a pack that was asked for by a wrong size is fetched whole by the right one", async () => {
  const one = await web(pack, false);
  const { packs } = device([one]);
  const how = { signal: AbortSignal.timeout(10_000), onCarried() {} };
  const [request] = pack.requests;
  const wrong = { ...request!, pack: { ...request!.pack, sizeBytes: pack.bytes.length + 1 } };
  await expect(packs.frame(wrong, { ...how, isForAnother: true }, async () => {})).rejects.toThrow();
  const { length } = await packs.frame(request!, how, async (frame) => frame);
  expect(length).toBe(request!.frame.length);
});

test("a pack that the repository lacks is not there", async () => {
  const one = await web({ ...pack, path: "other" });
  await expect(device([one]).fetch(pack.requests[0]!)).rejects.toEqual(refused("update.notThere"));
});

const content = contents[0]!;
const frame = patchFrame(dictionary, content);
const bomb = zstdCompressSync(Buffer.alloc(64 << 20));
test.each<[string, Buffer, Buffer?]>([
  ["is a bomb", bomb],
  ["lacks its end", frame.subarray(0, -1)],
  ["has bytes behind it", Buffer.concat([frame, Buffer.alloc(1)])],
  ["is followed by a second one", Buffer.concat([frame, frame])],
  ["is no frame", randomBytes(1_000)],
  ["has other content", patchFrame(dictionary, contents[1]!)],
  ["is no patch", zstdCompressSync(content)],
  ["has another dictionary", frame, randomBytes(dictionary.length)],
  ["has a dictionary with one wrong byte", frame, flipped(dictionary, 40_000)],
  ["has an empty dictionary", frame, Buffer.alloc(0)],
])("a frame that %s is refused", async (_, bytes, by = dictionary) => {
  const bad = packOf([bytes], [content]);
  const { fetch } = device([await web(bad)]);
  await expect(fetch(bad.requests[0]!, by)).rejects.toEqual(refused("update.badObject"));
});

function flipped(bytes: Buffer, at: number): Buffer {
  const other = Buffer.from(bytes);
  other.writeUInt8(other.readUInt8(at) ^ 1, at);
  return other;
}

test("whatever bytes a server sends, the content is the named one or an error with a code", async () => {
  const good = packOf([frame], [content]);
  const one = await web(good);
  const { fetch } = device([one]);
  const changes = fc.array(fc.tuple(fc.nat(frame.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(changes, async (changed) => {
      const bytes = Buffer.from(frame);
      for (const [at, byte] of changed) bytes.writeUInt8(byte, at);
      one.files.set(good.path, bytes);
      const made = await fetch(good.requests[0]!).catch((error: unknown) => error);
      if (Buffer.isBuffer(made)) expect(made.equals(content)).toBe(true);
      else expect(made).toEqual(refused("update.badObject"));
    }),
    { numRuns: 200 },
  );
});
