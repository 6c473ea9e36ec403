import { hash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSlotPart, type SlotPart } from "../../../ota/updater/slot-part.ts";
import { finishPart, verifyPart, verifyRoot, writePart } from "../../../ota/updater/slot-writer.ts";
import { makeTree } from "../../../ota/updater/verity.ts";

const blocks = 8;
const content = randomBytes(blocks * 4096);
const sha256 = hash("sha256", content);
const part = { name: "root" as const, sizeBytes: content.length, sha256, places: [] };
const step = { kind: "chunk" as const, length: content.length, sha256, at: 0, offset: 0 };
const values = { slot: "b", disk: "" };
const tree = makeTree(blocks);
tree.add(content);
const { rootHash } = tree.finish();

let folder = "";
let root: SlotPart;
let verity: SlotPart;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-slot-"));
  for (const name of ["root", "verity"]) await writeFile(join(folder, name), Buffer.alloc(64 * 4096));
  root = await openSlotPart(join(folder, "root"), "/sys");
  verity = await openSlotPart(join(folder, "verity"), "/sys");
});
afterEach(async () => {
  await root.close();
  await verity.close();
  await rm(folder, { recursive: true });
});

const write = (target: SlotPart) =>
  writePart(
    target,
    { part, steps: [step] },
    values,
    async () => Buffer.from(content),
    () => {},
  );
/** A medium that gives back another byte than was written. */
const lying = (target: SlotPart, at: number): SlotPart => ({
  ...target,
  async *readBack(length) {
    let offset = 0;
    for await (const piece of target.readBack(length)) {
      if (at >= offset && at < offset + piece.length) piece[at - offset]! ^= 1;
      yield piece;
      offset += piece.length;
    }
  },
});
const verify = async (target: SlotPart) =>
  verifyRoot(target, verity, part, { rootHash, dataBlocks: blocks }, await write(target), () => {});

test("a slot that reads back as written is verified, and only then gets its first block", async () => {
  const written = await write(root);
  expect(await root.read(0, 4096)).toEqual(Buffer.alloc(4096));
  await verifyRoot(root, verity, part, { rootHash, dataBlocks: blocks }, written, () => {});
  await finishPart(root, part, written);
  expect(await root.read(0, content.length)).toEqual(content);
});

test("a medium that gives back other bytes than were written never becomes a slot to start", async () => {
  await expect(verify(lying(root, 5 * 4096))).rejects.toMatchObject({ code: "update.verifyFailed" });
  const written = await write(root);
  const lies = lying(root, 6 * 4096 + 7);
  await expect(verifyPart(lies, part, values, written, () => {})).rejects.toMatchObject({
    code: "update.verifyFailed",
  });
  await expect(finishPart(lying(root, 9), part, written)).rejects.toMatchObject({ code: "update.verifyFailed" });
});

test("a slot that takes no bytes says so", async () => {
  const full = await openSlotPart("/dev/full", "/sys");
  await expect(full.write(content, 0)).rejects.toMatchObject({ code: "update.writeFailed" });
  await full.close();
});
