// Boot control by the Raspberry Pi firmware's `tryboot`: `autoboot.txt` names the default boot partition and the one for a
// trial, and `reboot "0 tryboot"` requests one trial. The firmware clears the flag before the trial starts, so the old slot
// comes back whatever happens. The running boot partition is never written.
import { HamletError } from "../../../system/error.ts";
import {
  type BootControl,
  type BootState,
  type Candidate,
  checkRevert,
  checkStage,
  type Earlier,
  leaving,
  otherSlot,
  reasonOf,
  type Slot,
} from "../boot-control.ts";
import { slotOnCommandLine, verityOnCommandLine } from "../running.ts";
import type { TrialRecord } from "../trial-record.ts";
import { compareVersions } from "../versions.ts";
import { autobootSector, bootPartitions, defaultSlot } from "./autoboot.ts";
import type { RpiTrybootDoors } from "./doors.ts";
import { checkBootPartition, checkFirmware, wordAt } from "./readiness.ts";
import { judgeTryboot } from "./state.ts";

const trybootArgument = "0 tryboot";

export function rpiTryboot(doors: RpiTrybootDoors): BootControl {
  const { autoboot, record } = doors;
  async function look(): Promise<BootState> {
    const slot = slotOnCommandLine(await doors.commandLine());
    const partition = await wordAt(doors, "chosen/bootloader/partition");
    if (partition === undefined) {
      throw new HamletError("boot.unsupported", "the firmware does not report which partition it started", {
        hint: "the firmware is older than 2022, or did not start this device",
        exitCode: 3,
      });
    }
    if (partition !== bootPartitions[slot]) {
      throw new HamletError(
        "boot.unclear",
        `the firmware started partition ${partition}, but the command line there says slot ${slot}`,
        { hint: "the boot partition belongs to another slot; write that slot again" },
      );
    }
    return judgeTryboot({
      running: { slot, version: doors.version },
      isTryboot: (await wordAt(doors, "chosen/bootloader/tryboot")) === 1,
      byItself: defaultSlot(await autoboot.read()),
      record: await record.read(),
      bootId: await doors.bootId(),
    });
  }

  /** Keeps which release began the trial. */
  const note = async (slot: Slot, version: string, phase: TrialRecord["phase"], from?: string) => {
    const began = from ?? (await record.read())?.from;
    await record.write({
      ...{ slot, version, phase, bootId: await doors.bootId() },
      ...(began !== undefined && { from: began }),
    });
  };

  /** The record alone says that the other slot was good, and the firmware starts whatever its boot partition holds. */
  async function findEarlier(state: BootState): Promise<Earlier | undefined> {
    const kept = await record.read();
    const isKept = kept?.phase === "kept" && kept.slot === state.slot;
    if ((state.phase !== "settled" && state.phase !== "left") || !isKept || kept.from === undefined) return undefined;
    const slot = otherSlot(state.slot);
    try {
      await checkBootPartition(doors, slot);
    } catch {
      return undefined;
    }
    const verity = verityOnCommandLine((await doors.bootFile(slot, "cmdline.txt"))?.toString("latin1") ?? "");
    const isOlder = compareVersions(kept.from, state.version) < 0;
    return verity && isOlder ? { slot, version: kept.from, verity } : undefined;
  }

  /** Idempotent; repairs a damaged sector. */
  async function startByItself(slot: Slot): Promise<void> {
    if (defaultSlot(await autoboot.read()) === slot) return;
    await autoboot.write(autobootSector(slot));
    if (defaultSlot(await autoboot.read()) === slot) return;
    throw new HamletError("boot.writeFailed", "autoboot.txt reads back differently from what was written", {
      hint: "the card may be failing; replace it",
    });
  }

  async function checkReady(slot: Slot, { version, kernel }: Candidate): Promise<BootState> {
    if (kernel) {
      throw new HamletError("boot.unsupported", "a Raspberry Pi starts the kernel in its slot's boot partition", {
        hint: "write that partition and omit --kernel",
        exitCode: 3,
      });
    }
    const state = await look();
    checkStage(state, slot, version, compareVersions(version, state.version));
    await checkFirmware(doors);
    await checkBootPartition(doors, slot);
    return state;
  }

  return {
    current: look,
    rollbackReason: async () => reasonOf(await look()),

    async prepare(slot, candidate) {
      await checkReady(slot, candidate);
    },

    async stage(slot, candidate) {
      const state = await checkReady(slot, candidate);
      // Whatever the sector says now, a failed trial must come back to the running slot.
      await startByItself(state.slot);
      await note(slot, candidate.version, "staged", state.version);
    },

    async reboot() {
      const state = await look();
      if (state.phase !== "armed") return doors.restart();
      await note(state.trial.slot, state.trial.version, "requested");
      await doors.restart(trybootArgument);
    },

    async begin() {
      const state = await look();
      if (state.phase === "trying" && !state.isMarkedBad) await note(state.slot, state.version, "started");
    },

    async commit() {
      const state = await look();
      if (state.phase === "left") throw leaving(state);
      if ((state.phase !== "trying" && state.phase !== "settled") || (state.phase === "trying" && state.isMarkedBad)) {
        throw new HamletError("boot.noTrial", `slot ${state.slot} is not on trial: there is nothing to commit`, {
          hint: "`hamlet boot status` shows the state",
          exitCode: 3,
        });
      }
      await startByItself(state.slot);
      const noted = await record.read();
      // A power cut during an earlier commit may have come between the two.
      const isUnfinished = noted?.slot === state.slot && noted.phase !== "kept";
      if (state.phase === "trying" || isUnfinished) await note(state.slot, state.version, "kept");
    },

    async markBad() {
      const state = await look();
      switch (state.phase) {
        case "trying":
          await startByItself(otherSlot(state.slot));
          return note(state.slot, state.version, "bad");
        case "armed":
        case "reverted":
          await startByItself(state.slot);
          return note(state.trial.slot, state.trial.version, "bad");
        case "settled":
          // The sector may be damaged, or name the slot that is about to be written.
          await startByItself(state.slot);
          // The firmware starts the other slot only on request: there is only the record that it was good.
          if ((await record.read())?.phase === "kept") await record.write(undefined);
          return;
        case "left":
          throw leaving(state);
      }
    },

    earlier: async () => findEarlier(await look()),

    async revert() {
      const state = await look();
      // One sector: power that fails here leaves one of two good slots to start.
      await startByItself(checkRevert(state, await findEarlier(state)).slot);
    },
  };
}
