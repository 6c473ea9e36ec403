// Goes back to the release in the other slot, which ran before: verifies it, notes the intention, and makes its slot the default.
import type { BootControl, Earlier } from "../../image/boot/boot-control.ts";
import { blockBytes } from "../../image/disk/block.ts";
import { HamletError } from "../../system/error.ts";
import { makeTree, treeBytes } from "../format/verity.ts";
import type { InstallDoors } from "./install.ts";
import type { OnProgress } from "./progress.ts";
import type { SlotPart } from "./slot-part.ts";

/** The release to go back to. Throws `update.nothingBack` unless its slot still holds all of it. */
export async function verifyEarlier(
  control: Pick<BootControl, "earlier">,
  openPart: InstallDoors["openPart"],
  onProgress: OnProgress,
): Promise<Earlier> {
  const earlier = await control.earlier();
  if (!earlier) throw nothingBack("the other slot has no earlier release that starts");
  const { slot, version } = earlier;
  const root = await openPart(`root-${slot}`);
  try {
    const tree = await openPart(`verity-${slot}`);
    try {
      if (await isWhole(root, tree, earlier, onProgress)) return earlier;
    } finally {
      await tree.close();
    }
  } finally {
    await root.close();
  }
  throw nothingBack(`slot ${slot} no longer holds all of ${version}`);
}

/** Whether the medium has the root filesystem and the hash tree that the kernel names. */
export async function isWhole(
  root: SlotPart,
  tree: SlotPart,
  { verity: { rootHash, dataBlocks } }: Pick<Earlier, "verity">,
  onProgress: OnProgress,
): Promise<boolean> {
  const totalBytes = dataBlocks * blockBytes;
  if (root.sizeBytes < totalBytes || tree.sizeBytes < treeBytes(dataBlocks)) return false;
  const made = makeTree(dataBlocks);
  let doneBytes = 0;
  void onProgress({ phase: "verifying", doneBytes, totalBytes });
  try {
    for await (const piece of root.readBack(totalBytes)) {
      made.add(piece);
      doneBytes += piece.length;
      void onProgress({ phase: "verifying", doneBytes, totalBytes });
    }
    const finished = made.finish();
    if (finished.rootHash !== rootHash) return false;
    let at = 0;
    for await (const piece of tree.readBack(finished.tree.length)) {
      if (!piece.equals(finished.tree.subarray(at, at + piece.length))) return false;
      at += piece.length;
    }
    return true;
  } catch {
    // A sector that does not read is as bad as a wrong one.
    return false;
  }
}

const nothingBack = (why: string) =>
  new HamletError("update.nothingBack", `there is nothing to go back to: ${why}`, {
    hint: "nothing was changed: the running release stays",
    exitCode: 3,
  });
