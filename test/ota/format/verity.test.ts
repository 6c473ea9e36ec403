// The hash tree is byte for byte that of veritysetup, which makes the tree of every image.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeVerity } from "../../../image/bundle/verity.ts";
import { blockBytes } from "../../../image/disk/block.ts";
import { makeTree, treeBytes } from "../../../ota/format/verity.ts";
import { run } from "../../../system/command.ts";
import { lacks } from "../../lacks.ts";
import { noise } from "../updater/repository.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hamlet-verity-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.skipIf(lacks("veritysetup"))("the hash tree of a root filesystem", () => {
  // One level of hashes, its limit, two levels, their limit, three levels.
  test.each([2, 127, 128, 129, 3_000, 16_384, 16_385])(
    "of %i blocks is the one that veritysetup makes",
    async (blocks) => {
      const content = noise(`verity ${blocks}`, blocks * blockBytes);
      const [root, tree] = [join(folder, "root"), join(folder, "tree")];
      writeFileSync(root, content);
      const reference = await makeVerity(root, tree, run);
      const own = makeTree(blocks);
      // In pieces of any number of blocks.
      for (let at = 0; at < content.length; at += 7 * blockBytes) own.add(content.subarray(at, at + 7 * blockBytes));
      const made = own.finish();
      expect(made.rootHash).toBe(reference.rootHash);
      expect(made.tree.equals(readFileSync(tree))).toBe(true);
      expect(treeBytes(blocks)).toBe(made.tree.length);
      rmSync(tree);
    },
  );

  test("of other content does not verify", () => {
    const content = noise("content", 4 * blockBytes);
    const own = makeTree(4);
    own.add(content);
    const { tree, rootHash } = own.finish();
    content[9]! ^= 1;
    writeFileSync(join(folder, "root"), content);
    writeFileSync(join(folder, "tree"), tree);
    const verify = () =>
      execFileSync("/sbin/veritysetup", ["verify", join(folder, "root"), join(folder, "tree"), rootHash], {
        stdio: "pipe",
      });
    expect(verify).toThrow();
    content[9]! ^= 1;
    writeFileSync(join(folder, "root"), content);
    expect(verify).not.toThrow();
  });
});

test("a root of another length than announced is refused", () => {
  expect(() => makeTree(2).finish()).toThrow("fewer blocks");
  expect(() => makeTree(1).add(Buffer.alloc(2 * blockBytes))).toThrow("more blocks");
  expect(() => makeTree(1).add(Buffer.alloc(100))).toThrow("whole blocks");
});
