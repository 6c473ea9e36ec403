import { hash } from "node:crypto";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { unpackPatch } from "../../../ota/format/unpack.ts";
import { makeTree } from "../../../ota/format/verity.ts";
import { cutChunks, type Foresee } from "../../../ota/repository/chunker.ts";
import { cutPart } from "../../../ota/repository/cut.ts";
import { foreseeFrom } from "../../../ota/repository/recipes.ts";
import type { Source } from "../../../ota/repository/source.ts";
import { startThreads, type Threads } from "../../../ota/repository/threads/threads.ts";
import { noise } from "./image.ts";

let threads: Threads;
let work: string;
let count = 0;
beforeAll(async () => {
  threads = startThreads(2);
  work = await mkdtemp(join(tmpdir(), "hamlet-threads-"));
});
afterAll(async () => {
  await threads[Symbol.asyncDispose]();
  await rm(work, { recursive: true });
});

/** The chunks of a part, each as it was when it came, and the digest of the whole. */
async function cut(bytes: Buffer, sizeBytes = bytes.length, foresee: Foresee = () => undefined) {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-cut-"));
  try {
    const path = join(folder, "part");
    await writeFile(path, bytes);
    await using file = await open(path, "r");
    const tree = makeTree(sizeBytes / 4096);
    const part = { name: "root" as const, sizeBytes, places: [], extents: [{ offset: 0, length: sizeBytes }] };
    const cuts = cutPart(file, part, path, { threads, tree, foresee });
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
  expect(chunks.map(({ content }) => content.length)).toEqual(
    cutChunks(bytes, true, () => undefined).map(({ length }) => length),
  );
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

test("a part is cut the same when an older release tells what may come, across all pieces", async () => {
  const older = noise(4096 * 5000, 9);
  const chunks = cutChunks(older, true, () => undefined).map((one) => ({ part: "root" as const, offset: 0, ...one }));
  for (let at = 0, index = 0; index < chunks.length; at += chunks[index++]!.length) chunks[index]!.offset = at;
  const bytes = Buffer.concat([older.subarray(0, 4096 * 2000), noise(4096, 2), older.subarray(4096 * 2000)]);
  const digests = async (foresee?: Foresee) => {
    const { chunks, ...rest } = await cut(bytes, bytes.length, foresee);
    // Comparing the content would take longer than cutting it.
    return { ...rest, chunks: chunks.map(({ offset, content }) => `${offset} ${hash("sha256", content)}`) };
  };
  expect(await digests(foreseeFrom(chunks, "root"))).toEqual(await digests());
});

test("a part that ends early is refused", async () => {
  await expect(cut(noise(4096 * 700, 9), 4096 * 800)).rejects.toMatchObject({ code: "image.truncated" });
});

/** A file that holds `bytes` in two pieces, the second one before the first, with others around them. */
async function sourceOf(bytes: Buffer): Promise<Source & AsyncDisposable> {
  const path = join(work, `image-${count++}`);
  const half = bytes.length >> 1;
  await writeFile(path, Buffer.concat([noise(100, 8), bytes.subarray(half), noise(52, 8), bytes.subarray(0, half)]));
  const file = await open(path, "r");
  const second = { offset: 100, length: bytes.length - half };
  const extents = [{ offset: 152 + second.length, length: half }, second];
  const image = { kind: "image", path, descriptor: file.fd, part: "root" } as const;
  const place = { offset: 0, length: bytes.length };
  return { ...image, places: [], extents, ...place, [Symbol.asyncDispose]: () => file.close() };
}

/** Objects of the repository, of which the first and the last have bytes beside the `bytes`. */
async function objectsOf(bytes: Buffer): Promise<Source & { kind: "objects" }> {
  const all = Buffer.concat([noise(700, 8), bytes, noise(300, 9)]);
  const objects: { path: string; sha256: string; length: number }[] = [];
  for (let at = 0; at < all.length; at += 100_000) {
    const content = all.subarray(at, at + 100_000);
    const path = join(work, `object-${count++}`);
    await writeFile(path, zstdCompressSync(content));
    objects.push({ path, sha256: hash("sha256", content), length: content.length });
  }
  return { kind: "objects", objects, offset: 700, length: bytes.length };
}

/** Without what cannot be sent to a thread. */
const plain = ({ [Symbol.asyncDispose]: _, ...source }: Source & AsyncDisposable) => source as Source;

test("a patch made by a thread, of what it reads itself, makes the new bytes of the older ones", async () => {
  const older = noise(300_000, 1);
  const content = Buffer.concat([older.subarray(1000, 150_000), noise(500, 2), older.subarray(150_000)]);
  await using image = await sourceOf(content);
  const { frame, sha256 } = (await threads.patch({ older: await objectsOf(older), content: plain(image) }))!;
  expect(frame.length).toBeLessThan(2000);
  expect(sha256).toBe(hash("sha256", content));
  const made = await unpackPatch(Buffer.from(frame), { sha256, sizeBytes: content.length }, older);
  expect(made.equals(content)).toBe(true);
});

test("patches do not depend on the number of threads, nor on what each has made before", async () => {
  const older = Array.from({ length: 12 }, (_, index) => noise(20_000 * (1 + ((index * 5) % 12)), index));
  const tasks = await Promise.all(
    older.map(async (bytes, index) => ({
      older: await objectsOf(bytes),
      content: await objectsOf(Buffer.concat([bytes.subarray(7000), noise(3000, index + 50), bytes.subarray(0, 9000)])),
    })),
  );
  const madeBy = async (few: Threads) => (await Promise.all(tasks.map((task) => few.patch(task)))).map((one) => one!);
  const [one, three] = [startThreads(1), startThreads(3)];
  await using _ = one;
  await using __ = three;
  expect(await madeBy(three)).toEqual(await madeBy(one));
});

test("places of a part are zeros in what a thread reads", async () => {
  const bytes = noise(5000, 3);
  await using image = await sourceOf(bytes);
  // Read is the part from byte 1000 on.
  const places = [{ name: "slot" as const, offset: 3000, sizeBytes: 1 }];
  const source = { ...plain(image), offset: 1000, places } as Source;
  const expected = Buffer.from(bytes);
  expected[2000] = 0;
  expect(await threads.digest(source)).toBe(hash("sha256", expected));
});

test("what a thread cannot read is refused, and it goes on", async () => {
  await using image = await sourceOf(noise(9000, 1));
  const source = plain(image) as Source & { kind: "image" };
  const beyond = { ...source, extents: source.extents.map((one) => ({ ...one, offset: one.offset + 200 })) };
  await expect(threads.digest(beyond)).rejects.toMatchObject({
    code: "image.truncated",
    hint: expect.stringMatching(/copy/),
  });
  const objects = await objectsOf(noise(9000, 1));
  const [object] = objects.objects;
  const missing = { ...objects, objects: [{ ...object!, path: join(work, "none") }] };
  await expect(threads.digest(missing)).rejects.toMatchObject({
    code: "ota.damaged",
    message: expect.stringMatching(/is missing/),
  });
  const other = { ...objects, objects: [{ ...object!, sha256: "0".repeat(64) }] };
  await expect(threads.digest(other)).rejects.toMatchObject({
    code: "ota.damaged",
    message: expect.stringMatching(/has another content/),
  });
  await writeFile(object!.path, "no frame");
  await expect(threads.digest(objects)).rejects.toMatchObject({
    code: "ota.damaged",
    message: expect.stringMatching(/not a whole zstd frame/),
  });
  expect(await threads.digest(source)).toBe(hash("sha256", noise(9000, 1)));
});

test("when a thread fails, what it was asked fails too, and so does what it is asked later", async () => {
  await using one = startThreads(1);
  const wrong = one.digest(null as unknown as Source);
  const behind = one.digestBlocks(Buffer.alloc(4096));
  const ended = { code: "ota.threadFailed", cause: expect.any(TypeError) };
  await expect(wrong).rejects.toMatchObject(ended);
  await expect(behind).rejects.toMatchObject(ended);
  await expect(one.digestBlocks(Buffer.alloc(4096))).rejects.toMatchObject(ended);
});
