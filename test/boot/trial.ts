// Boot control on a whole device: with the real systemd-boot, or with the emulated firmware of a Pi.

import assert from "node:assert/strict";
import type { BootState } from "../../image/boot/boot-control.ts";
import { entryName } from "../../image/boot/systemd-boot/entries.ts";
import { HamletError } from "../../system/error.ts";
import { eventually } from "../eventually.ts";
import { testImage } from "./image.ts";
import { bootLab, type TestLab } from "./lab.ts";
import { candidatePath, withSecondSlot } from "./second-slot.ts";

// As long as 0.1.0, and newer than any version of that form.
const newer = "9.1.0";
const newest = "9.2.0";

/**
 * Checks that a trial that hangs at every start and one with a bad verdict end in the old slot, which says why, and that a
 * good trial is committed and survives a power cut. Throws otherwise.
 */
export async function proveTrial(board: string): Promise<void> {
  const slots = await withSecondSlot(await testImage(board), [newer]);
  const candidate = slots.isPi ? [newer] : [newer, "--kernel", candidatePath("b")];
  const trying = { phase: "trying", slot: "b", triesLeft: slots.isPi ? 0 : 2, isMarkedBad: false };
  try {
    await using lab = await bootLab({ images: [slots.image], devices: 1 });
    const first = await stateAfter(lab, "");
    assert.partialDeepStrictEqual(first.state, { phase: "settled", slot: "a" });
    const reverted = { phase: "reverted", slot: "a", trial: { slot: "b" } };

    await hamletBoot(lab, "try", ...candidate);
    let now = await stateAfter(lab, first.boot);
    for (let left = trying.triesLeft; left >= 0; left--) {
      assert.partialDeepStrictEqual(now.state, { ...trying, triesLeft: left });
      await trialIsNoted(lab);
      await (slots.isPi ? crash(lab) : hang(lab));
      now = await stateAfter(lab, now.boot);
    }
    assert.partialDeepStrictEqual(now.state, { ...reverted, because: "triesUsedUp" });

    await hamletBoot(lab, "try", ...candidate);
    now = await stateAfter(lab, now.boot);
    assert.partialDeepStrictEqual(now.state, trying);
    await hamletBoot(lab, "bad", "--restart");
    now = await stateAfter(lab, now.boot);
    assert.partialDeepStrictEqual(now.state, { ...reverted, because: "markedBad" });

    await hamletBoot(lab, "try", ...candidate);
    now = await stateAfter(lab, now.boot);
    assert.partialDeepStrictEqual(now.state, trying);
    await hamletBoot(lab, "commit");
    await lab.cut("attic");
    await lab.restore("attic");
    const settled = await stateAfter(lab, now.boot);
    assert.partialDeepStrictEqual(settled.state, { phase: "settled", slot: "b" });
  } finally {
    await slots.dispose();
  }
}

/**
 * Checks in four boots of a NUC that a good trial is committed and that the commit survives a power cut. The next trial is
 * armed before the cut, which starts it; it hangs at its last try (the earlier tries are counted as used), and the device
 * returns to the committed slot. Throws otherwise.
 */
export async function proveTwoTrials(): Promise<void> {
  const slots = await withSecondSlot(await testImage(), [newer, newest]);
  try {
    await using lab = await bootLab({ images: [slots.image], devices: 1 });
    const first = await stateAfter(lab, "");
    assert.partialDeepStrictEqual(first.state, { phase: "settled", slot: "a" });

    await hamletBoot(lab, "try", newer, "--kernel", candidatePath("b"));
    const good = await stateAfter(lab, first.boot);
    assert.partialDeepStrictEqual(good.state, { phase: "trying", slot: "b", version: newer, triesLeft: 2 });
    await hamletBoot(lab, "commit");
    await hamletBoot(lab, "try", newest, "--kernel", candidatePath("a"), "--later");
    await lab.cut("attic");
    await lab.restore("attic");

    const bad = await stateAfter(lab, good.boot);
    assert.partialDeepStrictEqual(bad.state, { phase: "trying", slot: "a", version: newest, triesLeft: 2 });
    await skipToLastTry(lab);
    await trialIsNoted(lab);
    await hang(lab);
    const back = await stateAfter(lab, bad.boot);
    const because = { trial: { slot: "a", version: newest }, because: "triesUsedUp" };
    assert.partialDeepStrictEqual(back.state, { phase: "reverted", slot: "b", version: newer, ...because });
  } finally {
    await slots.dispose();
  }
}

/** Waits for the service that notes that the trial came up: it may still be running. */
async function trialIsNoted(lab: TestLab): Promise<void> {
  const noted = await lab.on("attic", "systemctl", "start", "hamlet-trial.service");
  assert.equal(noted.code, 0, noted.stderr);
}

/** The boot loader keeps its count of tries in the entry's file name on the EFI partition. */
async function skipToLastTry(lab: TestLab): Promise<void> {
  const folder = "/efi/EFI/Linux";
  const [counted, last] = [`${folder}/${entryName(newest, 2, 1)}`, `${folder}/${entryName(newest, 0, 3)}`];
  const moved = await lab.on("attic", "sh", "-c", `mv ${counted} ${last} && sync`);
  assert.equal(moved.code, 0, moved.stderr);
}

/** Makes PID 1 freeze, as after a crash of its own; the watchdog, with a shorter timeout than usual, ends that. */
async function hang(lab: TestLab): Promise<void> {
  const manager = ["org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"];
  const set = await lab.on("attic", "busctl", "set-property", ...manager, "RuntimeWatchdogUSec", "t", "10000000");
  assert.equal(set.code, 0, set.stderr);
  const armed = await lab.on(
    "attic",
    "cat",
    "/sys/class/watchdog/watchdog0/state",
    "/sys/class/watchdog/watchdog0/timeout",
  );
  assert.equal(armed.stdout, "active\n10\n");
  await lab.on("attic", "kill", "-SEGV", "1").catch(() => {});
}

/** Replaces `hang` where no watchdog can be armed. */
async function crash(lab: TestLab): Promise<void> {
  await lab.on("attic", "sh", "-c", "echo c >/proc/sysrq-trigger").catch(() => {});
}

/** Waits until the device is up in a boot other than `before` and returns its state. */
async function stateAfter(lab: TestLab, before: string): Promise<{ state: BootState; boot: string }> {
  return eventually(
    async () => {
      const boot = await lab.on("attic", "cat", "/proc/sys/kernel/random/boot_id");
      if (boot.code !== 0 || boot.stdout === before) return false;
      const { code, stdout } = await lab.on("attic", "hamlet", "boot", "status", "--json");
      return code === 0 && { state: JSON.parse(stdout) as BootState, boot: boot.stdout };
    },
    { within: 300_000, every: 1_000 },
  );
}

/** Only a command that restarts the device may lose its connection before it reports success. */
async function hamletBoot(lab: TestLab, ...argv: string[]): Promise<void> {
  const restarts = argv[0] === "try" || argv.includes("--restart");
  const ended = await lab.on("attic", "hamlet", "boot", ...argv).catch((error) => {
    if (restarts && error instanceof HamletError && isLost(error)) return { code: 0, stderr: "" };
    throw error;
  });
  assert.equal(ended.code, 0, ended.stderr);
}

/** The machine went away while the command ran; the command had started. */
const isLost = ({ code, message }: HamletError): boolean =>
  code === "lab.execFailed" && /went away$|service ended$/.test(message);
