// A committed slot that no longer starts, on a whole NUC: the initrd leads to the other slot.
import assert from "node:assert/strict";
import { open } from "node:fs/promises";
import { entryName } from "../../image/boot/systemd-boot/entries.ts";
import { openErofs, walkErofs } from "../../image/disk/erofs.ts";
import { type ReadAt, readerOf } from "../../image/disk/read-at.ts";
import { inspectImage } from "../../image/inspect/inspect.ts";
import { run } from "../../system/command.ts";
import { eventually } from "../eventually.ts";
import { slowness } from "../speed.ts";
import { testImage } from "./image.ts";
import { bootLab } from "./lab.ts";
import { candidatePath, withSecondSlot } from "./second-slot.ts";

const newer = "9.1.0";
const blockBytes = 4096;

/** Damages a block of the committed slot b, and checks that the device comes up in slot a and tells why. Throws otherwise. */
async function proveLeads(because: "unverified" | "panics", check: string, damagedByte: DamagedByte): Promise<void> {
  const slots = await withSecondSlot(await testImage(), [newer]);
  try {
    const { partitions } = await inspectImage(slots.image);
    const startOf = (label: string) => partitions.find((one) => one.label === label)!.firstByte;
    // As after a commit: the loader starts the newer one.
    const esp = `${slots.image}@@${startOf("esp")}`;
    await run(["mmove", "-i", esp, candidatePath("b").replace("/efi", "::"), `::/EFI/Linux/${entryName(newer)}`]);
    const disk = await open(slots.image, "r+");
    await disk.write(
      Buffer.alloc(blockBytes, 0xa5),
      0,
      blockBytes,
      await damagedByte(readerOf(disk), startOf("root-b")),
    );
    await disk.close();

    await using lab = await bootLab({ images: [slots.image], devices: 1 });
    const ask = async (...argv: string[]) => {
      const { code, stdout } = await lab.on("attic", ...argv);
      return code === 0 && JSON.parse(stdout);
    };
    const state = await eventually(() => ask("hamlet", "boot", "status", "--json"), patience);
    assert.partialDeepStrictEqual(state, { phase: "settled", slot: "a" });
    const { history, fallback } = await eventually(async () => {
      const report = await ask("hamlet", "update", "history", "--json");
      return report?.fallback ? report : false;
    }, patience);
    assert.partialDeepStrictEqual(fallback, { from: newer, outcome: "rescued", check });
    assert.equal(history.length, 1, because);
  } finally {
    await slots.dispose();
  }
}

type DamagedByte = (readAt: ReadAt, slot: number) => Promise<number>;
/** A few starts without KVM. */
const patience = { within: 30 * 60_000 * slowness(), every: 2_000 };

/** The initrd itself finds that the first block does not verify. */
export const proveUnverified = (): Promise<void> =>
  proveLeads("unverified", "slot.unverified", async (_, slot) => slot);

/** Only the system reads the damaged block, and panics: at its fourth start the initrd leads to the other slot. */
export const provePanics = (): Promise<void> =>
  proveLeads("panics", "slot.panics", async (readAt, slot) => {
    const volume = await openErofs(readAt, slot);
    for await (const { path, extents } of walkErofs(readAt, volume!)) {
      if (/\/libsystemd-core-\d+\.so$/.test(path)) return extents![0]!.offset;
    }
    throw new Error("systemd has no library of its own");
  });
