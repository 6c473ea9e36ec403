// Boot control on a whole device, under the real systemd-boot: what the model in test/image/boot claims.
import { afterAll, beforeAll, expect, test } from "vitest";
import { labImage } from "../../cli/lab-start.ts";
import type { BootState } from "../../image/boot/boot-control.ts";
import { inspectImage } from "../../image/inspect.ts";
import { HamletError } from "../../system/error.ts";
import { eventually } from "../eventually.ts";
import { bootLab, type TestLab } from "./lab.ts";
import { candidatePath, withSecondSlot } from "./second-slot.ts";

// As long as 0.1.0, and newer than any of the like.
const newer = "9.1.0";
let slots: Awaited<ReturnType<typeof withSecondSlot>>;
let lab: TestLab;
beforeAll(async () => {
  const image = await labImage();
  const { version, entries } = await inspectImage(image);
  slots = await withSecondSlot(image, entries[0]!, version, newer);
  lab = await bootLab({ images: [slots.image], devices: 1 });
});
afterAll(async () => {
  await lab?.[Symbol.asyncDispose]();
  await slots?.dispose();
});

/** The state once the device is up in another boot than `before`. */
async function stateAfter(before: string): Promise<{ state: BootState; boot: string }> {
  return eventually(
    async () => {
      const boot = await lab.on("attic", "cat", "/proc/sys/kernel/random/boot_id");
      if (boot.code !== 0 || boot.stdout === before) return false;
      const { code, stdout } = await lab.on("attic", "hamlet", "boot", "status", "--json");
      return code === 0 && { state: JSON.parse(stdout) as BootState, boot: boot.stdout };
    },
    { within: 120_000, every: 1_000 },
  );
}
/** A command that restarts the device may lose its connection before it can say that it succeeded. */
const hamlet = async (...argv: string[]) => {
  const ended = await lab.on("attic", "hamlet", "boot", ...argv).catch((error) => {
    if (error instanceof HamletError && error.code === "lab.execFailed") return { code: 0 };
    throw error;
  });
  expect(ended).toMatchObject({ code: 0 });
};
const entries = async () => (await lab.on("attic", "ls", "/efi/EFI/Linux")).stdout.trim().split("\n").sort();

test("a bad trial leads back to the old slot and says why; a good one is committed and outlives a power cut", async () => {
  const first = await stateAfter("");
  expect(first.state).toMatchObject({ phase: "settled", slot: "a" });
  await hamlet("try", newer, "--kernel", candidatePath);
  const trial = await stateAfter(first.boot);
  expect(trial.state).toMatchObject({ phase: "trying", slot: "b", triesLeft: 2, isMarkedBad: false });
  expect(await entries()).toContain(`hamlet_${newer}+2-1.efi`);
  await hamlet("bad", "--restart");
  const back = await stateAfter(trial.boot);
  expect(back.state).toMatchObject({ phase: "reverted", slot: "a", because: "markedBad", trial: { version: newer } });

  await hamlet("try", newer, "--kernel", candidatePath);
  const again = await stateAfter(back.boot);
  expect(again.state).toMatchObject({ phase: "trying", slot: "b", triesLeft: 2 });
  await hamlet("commit");
  expect(await entries()).toContain(`hamlet_${newer}.efi`);
  await lab.cut("attic");
  await lab.restore("attic");
  const settled = await stateAfter(again.boot);
  expect(settled.state).toMatchObject({ phase: "settled", slot: "b" });
});
