import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { regionsOf } from "../../../image/flash/head.ts";
import { Needed, usedBytes } from "../../../image/flash/needed.ts";
import { lacks } from "../../lacks.ts";

const mib = 1 << 20;
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-needed-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const sbin = (file: string, ...args: string[]) =>
  execFileSync(file, args, { stdio: "pipe", env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` } });

test.skipIf(lacks("mkfs.vfat", "mcopy")).each([
  ["FAT32", ["-F32", "-s4"], 256],
  ["FAT16", ["-F16"], 16],
])("of a %s all is needed to the end of the last file, and nothing behind", async (_, options, sizeMiB) => {
  const path = join(folder, "fat");
  await rm(path, { force: true });
  await writeFile(path, "");
  await truncate(path, sizeMiB * mib);
  sbin("mkfs.vfat", ...options, path);
  // The last file ends with zeros, which belong to it.
  const content = Buffer.alloc(3 * mib);
  content.fill("x", 0, mib);
  await writeFile(join(folder, "content"), content);
  sbin("mcopy", "-i", path, join(folder, "content"), "::content");
  const bytes = await readFile(path);
  const used = usedBytes(bytes.subarray(0, 4 * mib))!;
  const fileAt = bytes.indexOf("xxxx", 0);
  expect(used).toBeGreaterThanOrEqual(fileAt + content.length);
  expect(used).toBeLessThan(fileAt + content.length + 8192);
});

test("a FAT whose table is not completely visible is needed as a whole", () => {
  const head = Buffer.alloc(4096);
  head.writeUInt16LE(512, 11);
  head.writeUInt8(4, 13);
  head.writeUInt16LE(32, 14);
  head.writeUInt32LE(1000, 36);
  head.writeUInt16LE(0xaa55, 510);
  expect(usedBytes(head)).toBeUndefined();
});

test.skipIf(lacks("mkfs.erofs", "veritysetup"))(
  "an erofs and its hash tree are needed exactly up to their ends",
  async () => {
    await mkdir(join(folder, "root"), { recursive: true });
    // Random, so that it does not compress; its last blocks are zeros.
    for (let number = 0; number < 5; number++) {
      await writeFile(
        join(folder, "root", `${number}`),
        Buffer.concat([Buffer.alloc(mib, number + 1), Buffer.alloc(mib)]),
      );
    }
    const [root, tree] = [join(folder, "erofs"), join(folder, "tree")];
    sbin("mkfs.erofs", "-Enoinline_data", root, join(folder, "root"));
    sbin("veritysetup", "format", root, tree);
    const [rootBytes, treeBytes] = [await readFile(root), await readFile(tree)];
    expect(usedBytes(rootBytes.subarray(0, 4096))).toBe(rootBytes.length);
    expect(usedBytes(treeBytes.subarray(0, 4096))).toBe(treeBytes.length);
  },
);

test("a region of zeros is not needed; a used one is needed from its first byte", () => {
  const needed = new Needed(
    regionsOf(
      [
        { offset: mib, sizeBytes: 4 * mib },
        { offset: 5 * mib, sizeBytes: mib },
      ],
      8 * mib,
    ),
  );
  const [zeros, ones] = [Buffer.alloc(mib), Buffer.alloc(mib, 1)];
  expect(needed.of(0, ones)).toEqual({ offset: 0, length: mib });
  expect(needed.of(mib, zeros)).toBeUndefined();
  expect(needed.of(2 * mib, zeros)).toBeUndefined();
  expect(needed.of(3 * mib, ones)).toEqual({ offset: mib, length: 3 * mib });
  expect(needed.of(4 * mib, zeros)).toEqual({ offset: 4 * mib, length: mib });
  expect(needed.of(5 * mib, zeros)).toBeUndefined();
  expect(needed.of(6 * mib, zeros)).toBeUndefined();
});

test("a disk counts as one region if its partitions overlap, leave the disk or are not aligned to blocks", () => {
  for (const partitions of [
    [
      { offset: 0, sizeBytes: 2 * mib },
      { offset: mib, sizeBytes: mib },
    ],
    [{ offset: mib, sizeBytes: 9 * mib }],
    [{ offset: 512, sizeBytes: mib }],
  ]) {
    expect(regionsOf(partitions, 8 * mib)).toEqual([{ offset: 0, sizeBytes: 8 * mib }]);
  }
});
