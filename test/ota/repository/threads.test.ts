import { hash } from "node:crypto";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { unpackPatch } from "../../../ota/format/unpack.ts";
import { makeTree } from "../../../ota/format/verity.ts";
import { chunkLengths } from "../../../ota/repository/chunker.ts";
import { cutPart } from "../../../ota/repository/cut.ts";
import { startThreads, type Threads } from "../../../ota/repository/threads/threads.ts";
import { noise } from "./image.ts";

let threads: Threads;
beforeAll(() => {
  threads = startThreads(2);
});
afterAll(() => threads[Symbol.asyncDispose]());

/** The chunks of a part, each as it was when it came, and the digest of the whole. */
async function cut(bytes: Buffer, sizeBytes = bytes.length) {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-cut-"));
  try {
    const path = join(folder, "part");
    await writeFile(path, bytes);
    await using file = await open(path, "r");
    const tree = makeTree(sizeBytes / 4096);
    const part = { name: "root" as const, sizeBytes, places: [], extents: [{ offset: 0, length: sizeBytes }] };
    const cuts = cutPart(file, part, path, { threads, tree });
    const chunks: { offset: number; sha256: string; content: Buffer }[] = [];
    let next = await cuts.next();
    for (; !next.done; next = await cuts.next()) {
      const { chunk, content } = next.value;
      chunks.push({ offset: chunk.offset, sha256: chunk.sha256, content: Buffer.from(content) });
    }
    return { chunks, whole: next.value, rootHash: tree.finish().rootHash };
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("a part longer than all buffers is cut as in one piece, and its digests are those of its bytes", async () => {
  const bytes = noise(4096 * 5000, 9);
  const { chunks, whole, rootHash } = await cut(bytes);
  expect(chunks.map(({ content }) => content.length)).toEqual(chunkLengths(bytes, true));
  let offset = 0;
  for (const chunk of chunks) {
    expect(chunk.offset).toBe(offset);
    expect(chunk.content.equals(bytes.subarray(offset, offset + chunk.content.length))).toBe(true);
    expect(chunk.sha256).toBe(hash("sha256", chunk.content));
    offset += chunk.content.length;
  }
  expect(whole).toBe(hash("sha256", bytes));
  const own = makeTree(5000);
  own.add(bytes);
  expect(rootHash).toBe(own.finish().rootHash);
});

test("a part that ends early is refused", async () => {
  await expect(cut(noise(4096 * 700, 9), 4096 * 800)).rejects.toMatchObject({ code: "image.truncated" });
});

test("a patch made by a thread makes the new bytes of the older ones", async () => {
  const older = noise(300_000, 1);
  const content = Buffer.concat([older.subarray(1000, 150_000), noise(500, 2), older.subarray(150_000)]);
  const frame = (await threads.patch({ older, content }))!;
  expect(frame.length).toBeLessThan(2000);
  const sha256 = hash("sha256", content);
  const made = await unpackPatch(Buffer.from(frame), { sha256, sizeBytes: content.length }, older);
  expect(made.equals(content)).toBe(true);
});

test("when a thread fails, what it was asked fails too, and so does what it is asked later", async () => {
  await using one = startThreads(1);
  const wrong = one.patch({ older: Buffer.alloc(10), content: null as unknown as Buffer });
  const behind = one.digest({ bytes: Buffer.alloc(10), lengths: [10] });
  const ended = { code: "ota.threadFailed", cause: expect.any(TypeError) };
  await expect(wrong).rejects.toMatchObject(ended);
  await expect(behind).rejects.toMatchObject(ended);
  await expect(one.digest({ bytes: Buffer.alloc(10), lengths: [10] })).rejects.toMatchObject(ended);
});
