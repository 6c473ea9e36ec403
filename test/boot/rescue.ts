// A committed slot that no longer starts, on a whole NUC: the initrd leads to the other slot.
import assert from "node:assert/strict";
import { join } from "node:path";
import { entryName } from "../../image/boot/systemd-boot/entries.ts";
import { inspectImage } from "../../image/inspect/inspect.ts";
import { machineFiles } from "../../image/lab/machine/machine.ts";
import { run } from "../../system/command.ts";
import { testImage } from "./image.ts";
import { bootLab } from "./lab.ts";
import { candidatePath, withSecondSlot } from "./second-slot.ts";
import { crash, hamletBoot, stateAfter } from "./trial.ts";

const newer = "9.1.0";
const settledIn = (slot: "a" | "b") => ({ phase: "settled", slot });

/**
 * Checks that four starts of a committed slot that panic lead to the slot before, likewise a block of its root filesystem that does not
 * verify, and that power cuts in between do not. Throws otherwise.
 */
export async function proveRescue(log: (text: string) => void = () => {}): Promise<void> {
  const slots = await withSecondSlot(await testImage(), [newer]);
  const { partitions } = await inspectImage(slots.image);
  try {
    await using lab = await bootLab({ images: [slots.image], devices: 1 });
    const note = async () => {
      const { stdout } = await lab.on("attic", "cat", "/var/lib/hamlet/system/rescued.json");
      return stdout === "" ? undefined : JSON.parse(stdout);
    };
    let now = await stateAfter(lab, "");
    assert.partialDeepStrictEqual(now.state, settledIn("a"));
    await hamletBoot(lab, "try", newer, "--kernel", candidatePath("b"));
    now = await stateAfter(lab, now.boot);
    await hamletBoot(lab, "commit");
    log("slot b is committed");

    for (const end of ["panic", "panic", "power", "panic", "panic"]) {
      await (end === "panic" ? crash(lab) : lab.cut("attic").then(() => lab.restore("attic")));
      const before = now;
      now = await stateAfter(lab, before.boot);
      log(`after ${end}: slot ${now.state.slot}`);
    }
    assert.partialDeepStrictEqual(now.state, settledIn("a"));
    assert.deepEqual(await note(), { slot: "b", version: newer, because: "panics" });

    const folder = "/efi/EFI/Linux";
    const back = `mv ${folder}/hamlet_${newer}.new ${folder}/${entryName(newer)} && sync`;
    assert.equal((await lab.on("attic", "sh", "-c", back)).code, 0);
    await lab.cut("attic");
    await lab.restore("attic");
    now = await stateAfter(lab, now.boot);
    assert.partialDeepStrictEqual(now.state, settledIn("b"));
    await lab.cut("attic");
    const { firstByte } = partitions.find(({ label }) => label === "root-b")!;
    const disk = join(lab.folder, machineFiles("attic").overlay);
    await run(["qemu-io", "-f", "qcow2", "-c", `write -P 0xa5 ${firstByte} 4096`, disk]);
    log("the first block of slot b is damaged");
    await lab.restore("attic");
    now = await stateAfter(lab, now.boot);
    assert.partialDeepStrictEqual(now.state, settledIn("a"));
    assert.deepEqual(await note(), { slot: "b", version: newer, because: "unverified" });
    log("slot a runs");
  } finally {
    await slots.dispose();
  }
}
