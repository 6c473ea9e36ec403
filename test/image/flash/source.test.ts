import { execFile, execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Extent } from "../../../image/flash/needed.ts";
import { openImage } from "../../../image/flash/source.ts";
import { lacks } from "../../lacks.ts";
import { imageBytes, makeImage, places } from "./image.ts";

let folder = "";
let path = "";
let image: Buffer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-source-"));
});
beforeEach(async () => {
  path = join(folder, "image.img");
  image = await makeImage(path);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const zstd = (bytes: Buffer) => zstdCompressSync(bytes, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
/** A file whose name does not tell its format. */
async function packed(bytes: Buffer): Promise<string> {
  await writeFile(join(folder, "packed"), bytes);
  return join(folder, "packed");
}

async function readAll(from: string, only?: Extent[]): Promise<{ bytes: Buffer; places: number[] }> {
  const source = await openImage(from);
  try {
    const parts: Buffer[] = [];
    const offsets: number[] = [];
    for await (const piece of source.pieces({ cuts: [places.esp, places.rootA], ...(only && { only }) })) {
      parts.push(Buffer.from(piece.bytes));
      offsets.push(piece.offset);
      piece.release();
    }
    return { bytes: Buffer.concat(parts), places: offsets };
  } finally {
    await source.close();
  }
}

test("a plain image is read completely, in the requested pieces", async () => {
  const { bytes, places: offsets } = await readAll(path);
  expect(bytes.equals(image)).toBe(true);
  expect(offsets.slice(0, 3)).toEqual([0, places.esp, places.rootA]);
});

test("zstd is recognized by its first bytes, in one frame or several", async () => {
  expect((await readAll(await packed(zstd(image)))).bytes.equals(image)).toBe(true);
  const frames = [0, 5_000_000, 5_000_001].map((at, index, all) => zstd(image.subarray(at, all[index + 1])));
  expect((await readAll(await packed(Buffer.concat(frames)))).bytes.equals(image)).toBe(true);
});

test("a compression that is not unpacked here is named", async () => {
  await expect(readAll(await packed(gzipSync(image.subarray(0, 9_000))))).rejects.toMatchObject({
    code: "image.notOurs",
    message: expect.stringContaining("is compressed (gzip)"),
  });
});

test.skipIf(lacks("xz"))("xz is recognized by its first bytes", async () => {
  const from = await packed(execFileSync("xz", ["-0", "--stdout", path], { maxBuffer: 64 << 20 }));
  expect((await readAll(from)).bytes.equals(image)).toBe(true);
});

test("only the ranges of a map are read, even from a compressed image", async () => {
  const only = [
    { offset: 0, length: 8192 },
    { offset: places.rootA, length: 4096 },
  ];
  const wanted = Buffer.concat(only.map(({ offset, length }) => image.subarray(offset, offset + length)));
  for (const from of [path, await packed(zstd(image))]) {
    const { bytes } = await readAll(from, only);
    expect(bytes.equals(wanted)).toBe(true);
  }
});

test("a range can be read again from a plain or compressed image, but not from a pipe", async () => {
  const extent = { offset: places.rootA + 4096, length: 5 << 20 };
  for (const from of [path, await packed(zstd(image))]) {
    const source = await openImage(from);
    const wanted = image.subarray(extent.offset, extent.offset + extent.length);
    expect((await source.again!(extent)).equals(wanted)).toBe(true);
    await source.close();
  }
  const pipe = join(folder, "pipe");
  execFileSync("mkfifo", [pipe]);
  execFile("cp", [path, pipe]);
  const source = await openImage(pipe);
  expect(source.again).toBeUndefined();
  const parts: Buffer[] = [];
  for await (const piece of source.pieces({ cuts: [] })) {
    parts.push(Buffer.from(piece.bytes));
    piece.release();
  }
  expect(Buffer.concat(parts).equals(image)).toBe(true);
  await source.close();
});

test.each([
  ["something else", Buffer.from("hello"), "image.notOurs"],
  ["nothing", Buffer.alloc(0), "image.notOurs"],
  ["something else, compressed", zstd(Buffer.alloc(9_000_000, 1)), "image.notOurs"],
])("%s is refused before anything is written", async (_, bytes, code) => {
  await expect(openImage(await packed(bytes))).rejects.toMatchObject({ code });
});

test("a folder in the place of an image, such as the one that the build wrote to, is named", async () => {
  await expect(openImage(folder)).rejects.toMatchObject({
    code: "image.notOurs",
    message: `${folder} is a folder, not an image`,
    hint: "name the image file in it",
  });
});

test("the error for an image of a newer format says what to do", async () => {
  await makeImage(path, { image: { format: 2 as 1 } });
  await expect(openImage(path)).rejects.toMatchObject({
    code: "image.notOurs",
    hint: expect.stringContaining("newer Hamlet"),
  });
});

test("a plain image that is too short or too long is refused before anything is written", async () => {
  await truncate(path, imageBytes - 4096);
  await expect(openImage(path)).rejects.toMatchObject({ code: "image.truncated" });
  await truncate(path, imageBytes + 4096);
  await expect(openImage(path)).rejects.toMatchObject({ code: "image.wrongSize" });
});

const mib = 1 << 20;
test("a compressed image that is too short, too long or damaged is detected at its end at the latest", async () => {
  const whole = zstd(image);
  const flipped = Buffer.from(whole);
  flipped[flipped.length - 1]! ^= 1;
  for (const [bytes, code] of [
    [whole.subarray(0, whole.length - 3), "image.truncated"],
    [zstd(image.subarray(0, imageBytes - mib)), "image.truncated"],
    [zstd(Buffer.concat([image, Buffer.alloc(mib)])), "image.wrongSize"],
    [flipped, "image.damaged"],
    [Buffer.concat([whole, Buffer.from("and more")]), "image.damaged"],
  ] as const) {
    await expect(readAll(await packed(bytes))).rejects.toMatchObject({ code });
  }
});

test.skipIf(lacks("xz"))("a damaged xz is detected at its end at the latest", async () => {
  const whole = execFileSync("xz", ["-0", "--stdout", path], { maxBuffer: 64 << 20 });
  const flipped = Buffer.from(whole);
  flipped[whole.length >> 1]! ^= 1;
  for (const [bytes, code] of [
    [whole.subarray(0, whole.length - 100), "image.truncated"],
    [flipped, "image.damaged"],
  ] as const) {
    await expect(readAll(await packed(bytes))).rejects.toMatchObject({ code });
  }
});

test.skipIf(lacks("xz"))(
  "k1-image-fuzz: a file that needs more memory than an image may is refused, and the error says what to do",
  async () => {
    const refusal = { code: "image.damaged", hint: expect.stringContaining("flash the .img") };
    // A frame header (RFC 8878 3.1.1.1) with a window of 2 GiB, and a block of 9 MiB of ones.
    const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, (31 - 10) << 3, 0x03, 0x00, 0x48, 0x01]);
    await expect(openImage(await packed(frame))).rejects.toMatchObject(refusal);
    const lzma = ["--lzma2=dict=1536MiB,mode=fast,mf=hc3,nice=10", "--memlimit-compress=0"];
    const bytes = execFileSync("xz", ["--stdout", ...lzma], { input: Buffer.alloc(9 * mib, 1), maxBuffer: 64 << 20 });
    await expect(openImage(await packed(bytes))).rejects.toMatchObject(refusal);
  },
);

test("k1-image-fuzz: thousands of empty frames count as damage", async () => {
  const empty = zstd(Buffer.alloc(0));
  const frames = Buffer.concat(Array.from({ length: 2000 }, () => empty));
  await expect(openImage(await packed(Buffer.concat([frames, zstd(image)])))).rejects.toMatchObject({
    code: "image.damaged",
  });
});

test("reading an image never changes its file", async () => {
  await readAll(path);
  expect((await readFile(path)).equals(image)).toBe(true);
});
