// Boot control by the Raspberry Pi firmware's `tryboot`: `autoboot.txt` names the boot partition that starts and the one
// for a trial, and `reboot "0 tryboot"` asks for that trial once. The flag is gone before the trial starts, so whatever
// happens to it the old slot comes back. The boot partition that runs is never written.
import { HamletError } from "../../system/error.ts";
import { autobootSector, bootPartitions, defaultSlot } from "./autoboot.ts";
import { type BootControl, type BootState, checkStage, otherSlot, reasonOf, type Slot } from "./boot-control.ts";
import { judgeTryboot } from "./rpi-tryboot-state.ts";
import { slotOnCommandLine } from "./running.ts";
import type { TrialRecordDoor } from "./trial-record.ts";
import { compareVersions } from "./versions.ts";

/** The one sector of `autoboot.txt`; a write is on the card before it returns. */
export type Sector = { read(): Promise<Buffer>; write(bytes: Buffer): Promise<void> };

export type RpiTrybootDoors = {
  board: string;
  /** A property of the device tree that the firmware handed over, by path. */
  deviceTree(path: string): Promise<Buffer | undefined>;
  commandLine(): Promise<string>;
  autoboot: Sector;
  /** A file of a slot's boot partition. */
  bootFile(slot: Slot, path: string): Promise<Buffer | undefined>;
  /** Whether the kernel hands a reboot argument to the firmware. */
  isVendorKernel(): Promise<boolean>;
  record: TrialRecordDoor;
  bootId(): Promise<string>;
  version: string;
  restart(argument?: string): Promise<void>;
};

/** EEPROMs that know `tryboot_a_b` and clear the flag in time. A Pi 3 has none: its bootcode.bin comes with the image. */
const oldestFirmwareS: Record<string, number> = {
  rpi4: Date.UTC(2022, 9) / 1000,
  rpi5: Date.UTC(2024, 4) / 1000,
};
const trybootArgument = "0 tryboot";

export function rpiTryboot(doors: RpiTrybootDoors): BootControl {
  const { autoboot, record } = doors;
  const word = async (path: string) => {
    const bytes = await doors.deviceTree(path);
    return bytes?.length === 4 ? bytes.readUInt32BE() : undefined;
  };

  async function look(): Promise<BootState> {
    const slot = slotOnCommandLine(await doors.commandLine());
    const partition = await word("chosen/bootloader/partition");
    if (partition === undefined) {
      throw new HamletError("boot.unsupported", "the firmware does not say which partition it started", {
        hint: "its firmware is from before 2022, or this device was not started by it",
        exitCode: 3,
      });
    }
    if (partition !== bootPartitions[slot]) {
      throw new HamletError(
        "boot.unclear",
        `the firmware started partition ${partition}, but the command line there says slot ${slot}`,
        { hint: "the boot partition is not the one that was written for it; write that slot anew" },
      );
    }
    return judgeTryboot({
      running: { slot, version: doors.version },
      isTryboot: (await word("chosen/bootloader/tryboot")) === 1,
      byItself: defaultSlot(await autoboot.read()),
      record: await record.read(),
      bootId: await doors.bootId(),
    });
  }

  const note = async (slot: Slot, version: string, phase: "staged" | "requested" | "started" | "bad") =>
    record.write({ slot, version, phase, bootId: await doors.bootId() });

  /** Repeating it changes nothing, and mends a sector that is damaged. */
  async function startByItself(slot: Slot): Promise<void> {
    if (defaultSlot(await autoboot.read()) === slot) return;
    await autoboot.write(autobootSector(slot));
    if (defaultSlot(await autoboot.read()) === slot) return;
    throw new HamletError("boot.writeFailed", "the card gives back another autoboot.txt than was written", {
      hint: "the card may be failing; replace it",
    });
  }

  return {
    current: look,
    rollbackReason: async () => reasonOf(await look()),

    async stage(slot, { version }) {
      const state = await look();
      checkStage(state, slot, version, compareVersions(version, state.version));
      await checkFirmware();
      await checkBootPartition(slot);
      // Whatever the sector says now: what runs is what a failed trial must come back to.
      await startByItself(state.slot);
      await note(slot, version, "staged");
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
      if ((state.phase !== "trying" && state.phase !== "settled") || (state.isTrial && state.isMarkedBad)) {
        throw new HamletError("boot.noTrial", `slot ${state.slot} is not on trial: there is nothing to commit`, {
          hint: "`hamlet boot status` tells what is",
          exitCode: 3,
        });
      }
      await startByItself(state.slot);
      if (state.isTrial) await record.write(undefined);
    },

    async markBad() {
      const state = await look();
      switch (state.phase) {
        case "trying":
          await startByItself(otherSlot(state.slot));
          return note(state.slot, state.version, "bad");
        case "armed":
        case "reverted":
          return note(state.trial.slot, state.trial.version, "bad");
        case "settled":
          // The firmware starts the other slot only when asked for it.
          return;
      }
    },
  };

  async function checkFirmware(): Promise<void> {
    const isLab = (await doors.deviceTree("chosen/hamlet,lab")) !== undefined;
    if (!isLab && !(await doors.isVendorKernel())) {
      throw new HamletError("boot.unsupported", "this kernel has no `tryboot` reboot argument: no slot can be tried", {
        hint: "build the image with `--base nixos`: it has Raspberry Pi's own kernel, which alone knows it",
        exitCode: 3,
      });
    }
    const oldestS = oldestFirmwareS[doors.board];
    const builtS = await word("chosen/bootloader/build-timestamp");
    if (oldestS === undefined || (builtS ?? 0) >= oldestS) return;
    const date = (seconds: number) => new Date(seconds * 1000).toISOString().slice(0, 10);
    throw new HamletError(
      "boot.firmwareTooOld",
      `the board's firmware is ${builtS === undefined ? "of an unknown date" : `of ${date(builtS)}`}, ${date(oldestS)} or newer is needed`,
      {
        hint: 'start Raspberry Pi OS on it once and run `sudo rpi-eeprom-update -a`, or Raspberry Pi Imager\'s card "Bootloader"',
        exitCode: 3,
      },
    );
  }

  async function checkBootPartition(slot: Slot): Promise<void> {
    const config = (await doors.bootFile(slot, "config.txt"))?.toString("latin1");
    const kernel = /^kernel=(\S+)/m.exec(config ?? "")?.[1] ?? "kernel8.img";
    const commandLine = (await doors.bootFile(slot, "cmdline.txt"))?.toString("latin1") ?? "";
    const isForSlot = new RegExp(`(^|\\s)hamlet\\.slot=${slot}(\\s|$)`).test(commandLine);
    const missing = config === undefined ? "config.txt" : (await doors.bootFile(slot, kernel)) ? undefined : kernel;
    if (!missing && isForSlot) return;
    throw new HamletError(
      "boot.slotNotReady",
      missing ? `boot-${slot} has no ${missing}` : `the command line in boot-${slot} is not for slot ${slot}`,
      { hint: "write the whole slot first", exitCode: 3 },
    );
  }
}
