// The outline of zstd frames, and what unpacks of them.
import { hash, randomBytes } from "node:crypto";
import { constants, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readFrame } from "../../../ota/format/frame.ts";
import { maxFrameBytes, unpackObject } from "../../../ota/format/unpack.ts";

const nameOf = (content: Buffer) => ({ sha256: hash("sha256", content), sizeBytes: content.length });
const { ZSTD_c_checksumFlag, ZSTD_c_compressionLevel, ZSTD_c_contentSizeFlag } = constants;
const refused = { code: "update.badObject" };

test("the end of a frame is found whatever is in it and however it was packed", () => {
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 2_000 }),
    fc.integer({ min: 1, max: 400_000 }).map((length) => new Uint8Array(length).fill(length)),
    fc.integer({ min: 1, max: 400_000 }).map((length) => new Uint8Array(randomBytes(length))),
  );
  fc.assert(
    fc.property(content, fc.constantFrom(1, 3, 19), fc.boolean(), fc.boolean(), (bytes, level, hasSum, hasSize) => {
      const params = {
        [ZSTD_c_compressionLevel]: level,
        [ZSTD_c_checksumFlag]: Number(hasSum),
        [ZSTD_c_contentSizeFlag]: Number(hasSize),
      };
      const frame = zstdCompressSync(bytes, { params, ...(hasSize && { pledgedSrcSize: bytes.length }) });
      const read = readFrame(Buffer.concat([frame, Buffer.from("behind it")]));
      expect(read?.endBytes).toBe(frame.length);
      expect(read?.contentBytes ?? bytes.length).toBe(bytes.length);
      expect(frame.length).toBeLessThanOrEqual(maxFrameBytes(bytes.length));
      for (const cut of [0, 4, 6, frame.length - 1]) expect(readFrame(frame.subarray(0, cut))).toBeUndefined();
    }),
    { numRuns: 60 },
  );
});

test("no bytes make the outline throw or lead beyond their end", () => {
  const head = Buffer.from("28b52ffd", "hex");
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (tail) => {
      const bytes = Buffer.concat([head, tail]);
      const read = readFrame(bytes);
      if (read) expect(read.endBytes).toBeLessThanOrEqual(bytes.length);
    }),
    { numRuns: 2_000 },
  );
});

test("an object is unpacked to the bytes that its name promises", async () => {
  for (const content of [Buffer.from("x"), Buffer.alloc(1 << 20), randomBytes(70_000)]) {
    expect((await unpackObject(zstdCompressSync(content), nameOf(content))).equals(content)).toBe(true);
  }
});

const content = Buffer.from("the root filesystem ".repeat(5_000));
const frame = zstdCompressSync(content);
const name = nameOf(content);
/** The content as one raw block behind a header that asks for this window. */
function withWindow(windowLog: number): Buffer {
  const header = Buffer.from("28b52ffd0000000000", "hex");
  header.writeUInt8((windowLog - 10) << 3, 5);
  header.writeUIntLE((content.length << 3) | 1, 6, 3);
  return Buffer.concat([header, content]);
}
const dictionary = randomBytes(1 << 10);

test.each<[string, Buffer]>([
  ["a bomb: more content than its name says", zstdCompressSync(Buffer.alloc(64 << 20))],
  ["less content than its name says", zstdCompressSync(content.subarray(1))],
  ["other content of the same length", zstdCompressSync(Buffer.from(content).fill("y", 7, 8))],
  ["trailing bytes", Buffer.concat([frame, Buffer.alloc(1)])],
  ["a second frame", Buffer.concat([frame, zstdCompressSync(Buffer.from("more"))])],
  [
    "two frames that together hold the content",
    Buffer.concat([zstdCompressSync(content.subarray(0, 10)), zstdCompressSync(content.subarray(10))]),
  ],
  ["a skippable frame first", Buffer.concat([Buffer.from("502a4d180100000000", "hex"), frame])],
  ["no frame", content],
  ["nothing", Buffer.alloc(0)],
  ["a truncated frame", frame.subarray(0, -3)],
  ["a window of 128 MB", withWindow(27)],
])("an object with %s is refused", async (_, bytes) => {
  await expect(unpackObject(bytes, name)).rejects.toMatchObject(refused);
});

test("a window that every decoder supports is allowed", async () => {
  expect((await unpackObject(withWindow(23), name)).equals(content)).toBe(true);
});

test("a frame that names a dictionary is refused, because its content would depend on it", async () => {
  const named = Buffer.from(frame);
  // Frame header descriptor: a dictionary id of one byte, which moves everything behind it.
  const withId = Buffer.concat([named.subarray(0, 6), Buffer.from([7]), named.subarray(6)]);
  withId[4]! |= 1;
  expect(readFrame(withId)?.needsDictionary ?? true).toBe(true);
  await expect(unpackObject(withId, name)).rejects.toMatchObject(refused);
});

test("any one bit of an object that is wrong is noticed", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: frame.length * 8 - 1 }), async (bit) => {
      const bad = Buffer.from(frame);
      bad[bit >> 3]! ^= 1 << (bit & 7);
      const got = await unpackObject(bad, name).catch((error: { code?: string }) => error.code);
      // A bit that changes nothing, such as the reserved one that decoders ignore, may pass: the content is what counts.
      expect(got === "update.badObject" || (Buffer.isBuffer(got) && got.equals(content))).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test("content that was packed with a dictionary but does not say so is caught by its digest", async () => {
  const secret = Buffer.concat([dictionary.subarray(0, 700), Buffer.from("end")]);
  const packed = zstdCompressSync(secret, { dictionary });
  await expect(unpackObject(packed, nameOf(secret))).rejects.toMatchObject(refused);
});
