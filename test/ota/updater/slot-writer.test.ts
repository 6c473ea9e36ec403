// Writing a part of the other slot: nothing mounts before all of it is verified, and what the medium gives back decides.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Part } from "../../../ota/format/manifest.ts";
import type { Step } from "../../../ota/format/recipe.ts";
import { makeTree } from "../../../ota/format/verity.ts";
import { planParts } from "../../../ota/updater/plan.ts";
import { openSlotPart, type SlotPart } from "../../../ota/updater/slot-part.ts";
import { finishPart, verifyPart, verifyRoot, writePart } from "../../../ota/updater/slot-writer.ts";
import { noise, sha256 } from "./repository.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hamlet-slot-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const stepBytes = 10_000;
const values = { slot: "b", disk: "12ab34cd" };
const places: Part["places"] = [
  // One that begins in a step and ends in the next.
  { name: "disk", offset: 2 * stepBytes - 3, sizeBytes: 8 },
  { name: "slot", offset: 5_000, sizeBytes: 1 },
];
function partOf(content: Buffer, name: Part["name"], hasPlaces: boolean) {
  if (hasPlaces) for (const { offset, sizeBytes } of places) content.fill(0, offset, offset + sizeBytes);
  const part: Part = { name, sizeBytes: content.length, sha256: sha256(content), places: hasPlaces ? places : [] };
  const steps: Step[] = [];
  for (let at = 0; at < content.length; at += stepBytes) {
    const chunk = content.subarray(at, at + stepBytes);
    steps.push({ kind: "chunk", length: chunk.length, sha256: sha256(chunk) });
  }
  return planParts([part], { steps })[0]!;
}
const root = noise("root", 32 * 4096);
const verity = (() => {
  const made = makeTree(32);
  made.add(root);
  return { rootHash: made.finish().rootHash, dataBlocks: 32 };
})();

async function open(name: string, content = Buffer.alloc(64 * 4096, 0xee)): Promise<SlotPart> {
  writeFileSync(join(folder, name), content);
  return openSlotPart(join(folder, name), "/sys");
}
const onDisk = (name: string) => readFileSync(join(folder, name));
const quiet = () => {};

test("a root is written, its first block last, and the rest of the partition is left alone", async () => {
  const target = await open("root");
  const plan = partOf(Buffer.from(root), "root", false);
  const made: number[] = [];
  const written = await writePart(
    target,
    plan,
    values,
    async (step) => {
      made.push(step.offset);
      // From the first request on the old content does not mount.
      expect(
        onDisk("root")
          .subarray(0, 4096)
          .every((byte) => byte === 0),
      ).toBe(true);
      return Buffer.from(root.subarray(step.offset, step.offset + step.length));
    },
    quiet,
  );
  expect(made).toEqual([...plan.steps].map(({ offset }) => offset));
  expect(
    onDisk("root")
      .subarray(0, 4096)
      .every((byte) => byte === 0),
  ).toBe(true);
  const tree = await open("tree");
  await verifyRoot(target, tree, plan.part, verity, written, quiet);
  await finishPart(target, plan.part, written);
  expect(onDisk("root").subarray(0, root.length).equals(root)).toBe(true);
  expect(
    onDisk("root")
      .subarray(root.length)
      .every((byte) => byte === 0xee),
  ).toBe(true);
  await target.close();
  await tree.close();
});

test("what the slot holds already is neither made nor written again", async () => {
  const content = Buffer.alloc(64 * 4096);
  root.copy(content);
  content[4 * stepBytes + 7]! ^= 1;
  const target = await open("root", content);
  const plan = partOf(Buffer.from(root), "root", false);
  const made: number[] = [];
  const found: number[] = [];
  const written = await writePart(
    target,
    plan,
    values,
    async ({ offset, length }) => {
      made.push(offset);
      return Buffer.from(root.subarray(offset, offset + length));
    },
    quiet,
    ({ offset }) => found.push(offset),
  );
  expect(made).toEqual([4 * stepBytes]);
  expect(found).toHaveLength([...plan.steps].length - 1);
  await finishPart(target, plan.part, written);
  expect(onDisk("root").subarray(0, root.length).equals(root)).toBe(true);
  await target.close();
});

test.each([0, 50_000, 131_000])(
  "a sector at %d that does not read is written again, and the rest is left alone",
  async (bad) => {
    const target = await open("root", Buffer.concat([root, Buffer.alloc(4096)]));
    const reached: number[] = [];
    let isBad = true;
    const dying: SlotPart = {
      ...target,
      async read(offset, length) {
        if (isBad && offset <= bad && bad < offset + length) throw new Error("EIO: i/o error, read");
        return target.read(offset, length);
      },
      async write(bytes, offset) {
        if (offset <= bad && bad < offset + bytes.length) isBad = false;
        await target.write(bytes, offset);
      },
    };
    const plan = partOf(Buffer.from(root), "root", false);
    const make = async ({ offset, length }: { offset: number; length: number }) => {
      reached.push(offset);
      return Buffer.from(root.subarray(offset, offset + length));
    };
    const written = await writePart(dying, plan, values, make, quiet);
    const tree = await open("tree");
    await verifyRoot(dying, tree, plan.part, verity, written, quiet);
    await finishPart(dying, plan.part, written);
    expect(reached).toEqual([Math.floor(bad / stepBytes) * stepBytes]);
    expect(onDisk("root").subarray(0, root.length).equals(root)).toBe(true);
    await target.close();
    await tree.close();
  },
);

test("places get this device's values, and a wrong value in a slot is written again", async () => {
  const content = noise("boot", 7 * stepBytes);
  const plan = partOf(content, "boot", true);
  const filled = Buffer.from(content);
  filled.write("12ab34cd", 2 * stepBytes - 3);
  filled.write("b", 5_000);
  const wrong = Buffer.from(filled);
  wrong.write("99", 2 * stepBytes);
  for (const before of [Buffer.alloc(content.length, 1), filled, wrong]) {
    const target = await open("boot", before);
    const make = async ({ offset, length }: { offset: number; length: number }) =>
      Buffer.from(content.subarray(offset, offset + length));
    const written = await writePart(target, plan, values, make, quiet);
    await verifyPart(target, plan.part, values, written, quiet);
    await finishPart(target, plan.part, written);
    expect(onDisk("boot").equals(filled)).toBe(true);
    await target.close();
  }
});

describe("a medium that gives back other bytes than were written is found:", () => {
  /** Flips a bit of what is read back at `offset`. */
  const lying = (target: SlotPart, offset: number): SlotPart => ({
    ...target,
    async *readBack(length) {
      let at = 0;
      for await (const piece of target.readBack(length)) {
        if (offset >= at && offset < at + piece.length) piece[offset - at]! ^= 1;
        yield piece;
        at += piece.length;
      }
    },
  });
  const make = async ({ offset, length }: { offset: number; length: number }) =>
    Buffer.from(root.subarray(offset, offset + length));
  const failed = expect.objectContaining({ code: "update.verifyFailed" });

  test("in the root", async () => {
    const target = lying(await open("root"), 70_000);
    const plan = partOf(Buffer.from(root), "root", false);
    const written = await writePart(target, plan, values, make, quiet);
    const tree = await open("tree");
    await expect(verifyRoot(target, tree, plan.part, verity, written, quiet)).rejects.toEqual(failed);
    // It never mounts.
    expect(
      onDisk("root")
        .subarray(0, 4096)
        .every((byte) => byte === 0),
    ).toBe(true);
    await target.close();
    await tree.close();
  });

  test("in the hash tree", async () => {
    const target = await open("root");
    const plan = partOf(Buffer.from(root), "root", false);
    const written = await writePart(target, plan, values, make, quiet);
    const tree = lying(await open("tree"), 5_000);
    await expect(verifyRoot(target, tree, plan.part, verity, written, quiet)).rejects.toEqual(failed);
    await target.close();
    await tree.close();
  });

  test("in a boot partition, and in a first block", async () => {
    const plan = partOf(Buffer.from(root), "boot", false);
    const target = await open("boot");
    const written = await writePart(target, plan, values, make, quiet);
    await expect(verifyPart(lying(target, 9_999), plan.part, values, written, quiet)).rejects.toEqual(failed);
    await expect(finishPart(lying(target, 5), plan.part, written)).rejects.toEqual(failed);
    await target.close();
  });
});

test("a partition that cannot be written, or ends too early, is told as such", async () => {
  await expect(openSlotPart(join(folder, "nowhere"), "/sys")).rejects.toMatchObject({ code: "update.writeFailed" });
  const short = await open("short", Buffer.alloc(3 * 4096));
  const back = async () => {
    for await (const _ of short.readBack(4 * 4096));
  };
  await expect(back()).rejects.toMatchObject({ code: "update.writeFailed" });
  await short.close();
  await expect(short.write(Buffer.alloc(1), 0)).rejects.toMatchObject({ code: "update.writeFailed" });
});

test("a slot that takes no bytes says so", async () => {
  const full = await openSlotPart("/dev/full", "/sys");
  await expect(full.write(Buffer.alloc(4096), 0)).rejects.toMatchObject({ code: "update.writeFailed" });
  await full.close();
});
