// Reads erofs images made by mkfs.erofs, and damaged ones.
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { contentOf, type ErofsEntry, openErofs, readErofsFile, walkErofs } from "../../../image/disk/erofs.ts";
import { lacks } from "../../lacks.ts";

const skipped = lacks("mkfs.erofs");
const contents: Record<string, Buffer> = {
  "etc/empty": Buffer.alloc(0),
  "etc/small": Buffer.from("small"),
  "usr/lib/exact": Buffer.alloc(4096, "e"),
  "usr/lib/large": Buffer.alloc(300_000, "0123456789"),
  "usr/share/ümlaut name": Buffer.alloc(5000, "u"),
};
const many = Array.from({ length: 600 }, (_, index) => `usr/many/a-rather-long-file-name-to-fill-blocks-${index}`);
let folder = "";
const images = new Map<string, Buffer>();

beforeAll(async () => {
  if (skipped) return;
  folder = await mkdtemp(join(tmpdir(), "hamlet-erofs-"));
  const tree = join(folder, "tree");
  for (const path of ["etc", "usr/lib", "usr/share", "usr/many", "empty"])
    await mkdir(join(tree, path), { recursive: true });
  for (const [path, content] of Object.entries(contents)) await writeFile(join(tree, path), content, { mode: 0o640 });
  for (const path of many) await writeFile(join(tree, path), path);
  await symlink("../usr/lib/large", join(tree, "etc/link"));
  for (const [name, options] of Object.entries({ plain: ["-Enoinline_data"], inline: [], packed: ["-zlz4hc"] })) {
    execFileSync("mkfs.erofs", ["--quiet", "-T0", ...options, join(folder, name), tree], { stdio: "ignore" });
    images.set(name, await readFile(join(folder, name)));
  }
});
afterAll(() => (folder ? rm(folder, { recursive: true }) : undefined));

/** The image at an offset in a disk. */
const start = 12_288;
const reading = (image: Buffer) => async (at: number, length: number) =>
  image.subarray(Math.max(0, at - start), Math.max(0, at - start) + length);

async function everything(image: Buffer): Promise<Map<string, ErofsEntry>> {
  const readAt = reading(image);
  const volume = await openErofs(readAt, start);
  const found = new Map<string, ErofsEntry>();
  for await (const entry of volume ? walkErofs(readAt, volume) : []) found.set(entry.path, entry);
  return found;
}

test.skipIf(skipped).each(["plain", "inline", "packed"])(
  "every name, kind, mode and size of a %s image is read",
  async (name) => {
    const found = await everything(images.get(name)!);
    const paths = [
      "",
      "empty",
      "etc",
      "etc/link",
      "usr",
      "usr/lib",
      "usr/many",
      "usr/share",
      ...Object.keys(contents),
      ...many,
    ];
    expect([...found.keys()].sort()).toEqual(paths.sort());
    for (const [path, content] of Object.entries(contents)) {
      expect(found.get(path)).toMatchObject({ kind: "file", sizeBytes: content.length });
      expect(found.get(path)!.mode & 0o777).toBe(0o640);
    }
    expect(found.get("etc/link")?.kind).toBe("link");
    expect(found.get("usr")?.kind).toBe("folder");
  },
);

test.skipIf(skipped).each(["plain", "inline"])(
  "the bytes of each file of a %s image and the targets of links are read",
  async (name) => {
    const image = images.get(name)!;
    const readAt = reading(image);
    const volume = (await openErofs(readAt, start))!;
    for (const [path, content] of Object.entries(contents)) {
      expect((await readErofsFile(readAt, volume, path, 1 << 20))?.equals(content), path).toBe(true);
    }
    const link = (await everything(image)).get("etc/link")!;
    expect((await contentOf(readAt, link, 4096))?.toString()).toBe("../usr/lib/large");
    expect(await readErofsFile(readAt, volume, "usr/lib/large", 299_999)).toBeUndefined();
    for (const path of ["usr/lib", "usr/lib/none", "etc/small/below", "etc/link"]) {
      expect(await readErofsFile(readAt, volume, path, 1 << 20)).toBeUndefined();
    }
  },
);

test.skipIf(skipped)("a compressed file has a name and a size, but its content is not read", async () => {
  const image = images.get("packed")!;
  const readAt = reading(image);
  const volume = (await openErofs(readAt, start))!;
  expect((await everything(image)).get("usr/lib/large")).toMatchObject({ extents: undefined, sizeBytes: 300_000 });
  expect(await readErofsFile(readAt, volume, "usr/lib/large", 1 << 20)).toBeUndefined();
});

test.skipIf(skipped)("reading a truncated or changed image goes as far as it makes sense, and ends", async () => {
  const good = images.get("inline")!;
  const damage = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(damage, fc.nat(good.length), async (changes, length) => {
      const image = Buffer.from(good.subarray(0, Math.max(length, 2048)));
      for (const [at, value] of changes) if (at < image.length) image[at] = value;
      await everything(image);
    }),
    { numRuns: 60 },
  );
  expect((await everything(Buffer.alloc(8192))).size).toBe(0);
  expect((await everything(Buffer.alloc(0))).size).toBe(0);
});
