// Boot control on whole devices: under the real systemd-boot, which the model in test/image/boot stands for, and on a Pi
// through the emulated firmware.
import { expect, test } from "vitest";
import { labImage } from "../../cli/lab-start.ts";
import type { BootState } from "../../image/boot/boot-control.ts";
import { HamletError } from "../../system/error.ts";
import { eventually } from "../eventually.ts";
import { bootLab, type TestLab } from "./lab.ts";
import { candidatePath, withSecondSlot } from "./second-slot.ts";

/** Five boots, and the image before them. */
const bootsMs = 25 * 60_000;
// As long as 0.1.0, and newer than any of the like.
const newer = "9.1.0";

/** The state once the device is up in another boot than `before`. */
async function stateAfter(lab: TestLab, before: string): Promise<{ state: BootState; boot: string }> {
  return eventually(
    async () => {
      const boot = await lab.on("attic", "cat", "/proc/sys/kernel/random/boot_id");
      if (boot.code !== 0 || boot.stdout === before) return false;
      const { code, stdout } = await lab.on("attic", "hamlet", "boot", "status", "--json");
      return code === 0 && { state: JSON.parse(stdout) as BootState, boot: boot.stdout };
    },
    { within: 180_000, every: 1_000 },
  );
}

/** A command that restarts the device may lose its connection before it can say that it succeeded. */
async function hamlet(lab: TestLab, ...argv: string[]): Promise<void> {
  const ended = await lab.on("attic", "hamlet", "boot", ...argv).catch((error) => {
    if (error instanceof HamletError && error.code === "lab.execFailed") return { code: 0 };
    throw error;
  });
  expect(ended).toMatchObject({ code: 0 });
}

test.each(["nuc", "rpi3"])(
  "%s: a bad trial leads back to the old slot and says why; a good one is committed and outlives a power cut",
  async (board) => {
    const slots = await withSecondSlot(await labImage(board), newer);
    const candidate = slots.isPi ? [newer] : [newer, "--kernel", candidatePath];
    const triesLeft = slots.isPi ? 0 : 2;
    try {
      await using lab = await bootLab({ images: [slots.image], devices: 1 });
      const first = await stateAfter(lab, "");
      expect(first.state).toMatchObject({ phase: "settled", slot: "a" });
      await hamlet(lab, "try", ...candidate);
      const trial = await stateAfter(lab, first.boot);
      expect(trial.state).toMatchObject({ phase: "trying", slot: "b", triesLeft, isMarkedBad: false });
      await hamlet(lab, "bad", "--restart");
      const back = await stateAfter(lab, trial.boot);
      expect(back.state).toMatchObject({
        phase: "reverted",
        slot: "a",
        because: "markedBad",
        trial: { version: newer },
      });

      await hamlet(lab, "try", ...candidate);
      const again = await stateAfter(lab, back.boot);
      expect(again.state).toMatchObject({ phase: "trying", slot: "b", triesLeft });
      await hamlet(lab, "commit");
      await lab.cut("attic");
      await lab.restore("attic");
      const settled = await stateAfter(lab, again.boot);
      expect(settled.state).toMatchObject({ phase: "settled", slot: "b" });
    } finally {
      await slots.dispose();
    }
  },
  bootsMs,
);
