// What the other slot holds: by the command line of its kernel, which names the root hash, and whether it is whole.
import { join } from "node:path";
import { z } from "zod";
import type { Slot } from "../../image/boot/boot-control.ts";
import { isBlessed } from "../../image/boot/systemd-boot/entries.ts";
import { entryFolderAt } from "../../image/boot/systemd-boot/entry-folder.ts";
import { commandLineIn, peekedBytes } from "../../image/boot/systemd-boot/new-kernel.ts";
import { Version } from "../../image/bundle/bundle.ts";
import { openErofs, readErofsFile } from "../../image/disk/erofs.ts";
import { readFatFile } from "../../image/disk/fat.ts";
import { withReader } from "../../image/disk/read-at.ts";
import { HamletError } from "../../system/error.ts";
import { parseJson } from "../../system/files.ts";
import type { SlotPart } from "./slot-part.ts";
import type { OnDone } from "./slot-writer.ts";
import { blockBytes, makeTree } from "./verity.ts";

export type OtherSlot = { version: string; rootHash: string; dataBlocks: number };

const maxBootFileBytes = 64 << 10;
const releasePath = "usr/lib/hamlet/release.json";
const Release = z.object({ version: Version });

/** Throws `boot.noGoodEntry` if nothing there would start. `disk`, `entries`: see old-release.ts. */
export async function readOtherSlot(disk: string, entries: string, slot: Slot): Promise<OtherSlot> {
  const kernel = await readKernel(entries, slot);
  const line = kernel?.line ?? (await bootLine(disk, slot));
  const rootHash = /(?:^|\s)hamlet\.verity=([0-9a-f]{64})(?=\s|\0|$)/.exec(line ?? "")?.[1];
  const dataBlocks = Number(/(?:^|\s)hamlet\.blocks=(\d{1,7})(?=\s|\0|$)/.exec(line ?? "")?.[1] ?? 0);
  const release = await withReader(join(disk, `root-${slot}`), async (readAt) => {
    const root = await openErofs(readAt, 0);
    return root && (await readErofsFile(readAt, root, releasePath, maxBootFileBytes));
  }).catch(() => undefined);
  // A root that is compressed shows no file here.
  const { version = kernel?.version } = Release.safeParse(release && parseJson(release.toString("utf8"))).data ?? {};
  if (rootHash !== undefined && dataBlocks > 0 && version !== undefined) return { version, rootHash, dataBlocks };
  throw notWhole(slot);
}

async function readKernel(
  entries: string,
  slot: Slot,
): Promise<{ version: string; line: string | undefined } | undefined> {
  const found = await entryFolderAt(entries)
    .list()
    .catch(() => []);
  const own = found.find((one) => one.slot === slot && isBlessed(one));
  if (!own) return undefined;
  const start = await withReader(join(entries, own.file), (readAt) => readAt(0, peekedBytes));
  return { version: own.version, line: commandLineIn(start) };
}

const bootLine = (disk: string, slot: Slot): Promise<string | undefined> =>
  withReader(join(disk, `boot-${slot}`), async (readAt) =>
    (await readFatFile(readAt, 0, "cmdline.txt", maxBootFileBytes))?.toString("latin1"),
  ).catch(() => undefined);

/** Throws `boot.noGoodEntry` unless each block of the slot is the one that its kernel wants. */
export async function verifyOther(
  { rootHash, dataBlocks }: OtherSlot,
  slot: Slot,
  openPart: (label: string) => Promise<SlotPart>,
  onDone: OnDone,
): Promise<void> {
  const root = await openPart(`root-${slot}`);
  const tree = await openPart(`verity-${slot}`);
  try {
    const made = makeTree(dataBlocks);
    let doneBytes = 0;
    for await (const piece of root.readBack(dataBlocks * blockBytes)) {
      made.add(piece);
      doneBytes += piece.length;
      onDone(doneBytes);
    }
    const { tree: bytes, rootHash: found } = made.finish();
    if (found !== rootHash) throw notWhole(slot);
    let offset = 0;
    for await (const piece of tree.readBack(bytes.length)) {
      if (!piece.equals(bytes.subarray(offset, offset + piece.length))) throw notWhole(slot);
      offset += piece.length;
    }
  } finally {
    await root.close();
    await tree.close();
  }
}

const notWhole = (slot: Slot) =>
  new HamletError("boot.noGoodEntry", `slot ${slot} holds no whole release to go back to`, {
    hint: "it is empty, or an update has begun to write it",
    exitCode: 3,
  });
