// Compares two images: packages by their bills of materials, files by their root filesystems, blocks by their partitions.
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { linesOf } from "../../../cli/commands/image/diff.ts";
import type { Component } from "../../../image/bundle/sbom/sbom.ts";
import { sbomPath } from "../../../image/bundle/sbom/sbom.ts";
import { blockBytes } from "../../../image/disk/block.ts";
import { diffImages, diffPackages } from "../../../image/inspect/diff.ts";
import { countChanged } from "../../../image/inspect/diff-blocks.ts";
import { silentProgress } from "../../../system/progress.ts";
import { lacks } from "../../lacks.ts";
import { makeDisk } from "../disk/disk.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-diff-"));
});
afterEach(() => rm(folder, { recursive: true }));

const deb = (name: string, version: string): Component => ({
  type: "library",
  name,
  version,
  purl: `pkg:deb/debian/${name}@${version}`,
});
const billOf = (components: Component[]) =>
  JSON.stringify({ bomFormat: "CycloneDX", specVersion: "1.6", metadata: {}, components });

async function makeImage(name: string, files: Record<string, string | Buffer>, version = "1.2.3"): Promise<string> {
  const tree = join(folder, `${name}.tree`);
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await writeFile(join(tree, path), content);
  }
  execFileSync("mkfs.erofs", ["--quiet", "-T0", "-Enoinline_data", join(folder, `${name}.root`), tree], {
    stdio: "ignore",
  });
  const path = join(folder, `${name}.img`);
  await makeDisk(path, { image: { version }, root: await readFile(join(folder, `${name}.root`)) });
  return path;
}

const skipped = lacks("mkfs.erofs");

test.skipIf(skipped)("the diff names only packages, files and blocks that differ", async () => {
  const same = { "usr/bin/same": "same", "etc/kept": Buffer.alloc(9000, "k") };
  const before = await makeImage("a", {
    ...same,
    "etc/gone": "gone",
    "etc/edited": "one way",
    "etc/longer": "x",
    [sbomPath]: billOf([deb("openssl", "1.0"), deb("libold", "3"), deb("zlib1g", "1.2")]),
  });
  const after = await makeImage(
    "b",
    {
      ...same,
      "etc/new": "new",
      "etc/edited": "another",
      "etc/longer": "xyz",
      [sbomPath]: billOf([deb("openssl", "1.1"), deb("libnew", "4"), deb("zlib1g", "1.2")]),
    },
    "1.2.4",
  );
  const difference = await diffImages(before, after, silentProgress);
  expect(difference.packages).toEqual([
    { kind: "deb", name: "libnew", after: "4" },
    { kind: "deb", name: "libold", before: "3" },
    { kind: "deb", name: "openssl", before: "1.0", after: "1.1" },
  ]);
  expect(difference.files).toEqual([
    { path: "etc/edited", beforeBytes: 7, afterBytes: 7 },
    { path: "etc/gone", beforeBytes: 4 },
    { path: "etc/longer", beforeBytes: 1, afterBytes: 3 },
    { path: "etc/new", afterBytes: 3 },
    ...(await sizesOfBills(before, after)),
  ]);
  const changed = Object.fromEntries(
    difference.partitions.map(({ label, changedBlocks }) => [label, changedBlocks > 0]),
  );
  expect(changed).toEqual({ esp: true, "root-a": true });
  expect(difference.update.newBytes).toBeGreaterThan(3 * blockBytes);
  expect(difference.update.newBytes).toBeLessThan(12 * blockBytes);
  const text = linesOf(difference, false).join("\n");
  for (const line of [
    "nuc 1.2.3 -> nuc 1.2.4",
    "openssl 1.0 -> 1.1",
    "- etc/gone (4)",
    "+ etc/new (3)",
    "~ etc/longer (1 -> 3)",
  ]) {
    expect(text).toContain(line);
  }
  expect(text).not.toMatch(/zlib1g|kept|same/);
});

async function sizesOfBills(...images: string[]) {
  const [beforeBytes, afterBytes] = await Promise.all(
    images.map(async (image) => (await readFile(join(image.replace(/img$/, "tree"), sbomPath))).length),
  );
  return beforeBytes === afterBytes ? [{ path: sbomPath, beforeBytes, afterBytes }] : [];
}

test.skipIf(skipped)("an image does not differ from its copy", async () => {
  const [one, other] = [await makeImage("a", { "etc/x": "x" }), await makeImage("b", { "etc/x": "x" })];
  await writeFile(other, await readFile(one));
  const difference = await diffImages(one, other, silentProgress);
  expect(difference).toMatchObject({ isSame: true, files: [], update: { newBytes: 0, packedBytes: 0 } });
  expect(linesOf(difference, false)).toEqual(["no difference"]);
});

test("without a filesystem in slot a, or a bill of materials in it, the rest is still compared", async () => {
  const [one, other] = [join(folder, "a.img"), join(folder, "b.img")];
  await makeDisk(one);
  await makeDisk(other, { image: { version: "2.0.0" } });
  const difference = await diffImages(one, other, silentProgress);
  expect(difference).toMatchObject({ isSame: false, files: [] });
  expect(difference.packages).toBeUndefined();
  expect(linesOf(difference, false)).toContain("packages: not listed in both images");
});

test("a file that is not an image is refused on either side", async () => {
  const [image, other] = [join(folder, "a.img"), join(folder, "b.img")];
  await makeDisk(image);
  await writeFile(other, "hello");
  await expect(diffImages(image, other, silentProgress)).rejects.toMatchObject({ code: "image.notOurs" });
  await expect(diffImages(other, image, silentProgress)).rejects.toMatchObject({ code: "image.notOurs" });
});

test("two versions of one package are listed separately; our own programs are files, not packages", () => {
  const npm = (version: string): Component => ({ type: "library", name: "ms", version, purl: `pkg:npm/ms@${version}` });
  const own = (version: string): Component => ({ type: "application", name: "agent.mjs", version });
  expect(diffPackages([npm("1"), npm("2"), own("0.1")], [npm("2"), own("0.2")])).toEqual([
    { kind: "npm", name: "ms", before: "1, 2", after: "2" },
  ]);
});

test("the number of changed blocks is the number of blocks written", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(15)), fc.nat(blockBytes - 1), (blocks, at) => {
      const before = Buffer.alloc(16 * blockBytes, 7);
      const after = Buffer.from(before);
      for (const block of blocks) after[block * blockBytes + at] = 8;
      expect(countChanged(before, after)).toBe(blocks.length);
    }),
  );
});
