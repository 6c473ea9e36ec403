// The conditions for a trial on a Raspberry Pi: firmware and kernel support it, and the slot's boot partition is complete.
import { HamletError } from "../../../system/error.ts";
import type { Slot } from "../boot-control.ts";
import type { RpiTrybootDoors } from "./doors.ts";

/** EEPROMs that know `tryboot_a_b` and clear the flag in time. A Pi 3 has none: its bootcode.bin comes with the image. */
const oldestFirmwareS: Record<string, number> = {
  rpi4: Date.UTC(2022, 9) / 1000,
  rpi5: Date.UTC(2024, 4) / 1000,
};

/** A 32-bit property of the device tree, or undefined. */
export async function wordAt({ deviceTree }: RpiTrybootDoors, path: string): Promise<number | undefined> {
  const bytes = await deviceTree(path);
  return bytes?.length === 4 ? bytes.readUInt32BE() : undefined;
}

/** Throws `boot.unsupported` or `boot.firmwareTooOld`. */
export async function checkFirmware(doors: RpiTrybootDoors): Promise<void> {
  if (!(await doors.isVendorKernel())) {
    throw new HamletError(
      "boot.unsupported",
      "this kernel does not support the `tryboot` reboot argument, so no slot can be tried",
      {
        hint: "build the image with `--base nixos`: only Raspberry Pi's own kernel supports it",
        exitCode: 3,
      },
    );
  }
  const oldestS = oldestFirmwareS[doors.board];
  const builtS = await wordAt(doors, "chosen/bootloader/build-timestamp");
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

/** Throws `boot.slotNotReady`. */
export async function checkBootPartition(doors: RpiTrybootDoors, slot: Slot): Promise<void> {
  const config = (await doors.bootFile(slot, "config.txt"))?.toString("latin1");
  const kernel = /^kernel=(\S+)/m.exec(config ?? "")?.[1] ?? "kernel8.img";
  const commandLine = (await doors.bootFile(slot, "cmdline.txt"))?.toString("latin1") ?? "";
  const isForSlot = new RegExp(`(^|\\s)hamlet\\.slot=${slot}(\\s|$)`).test(commandLine);
  const hasKernel = ((await doors.bootFile(slot, kernel))?.length ?? 0) > 0;
  const missing = config === undefined ? "config.txt" : hasKernel ? undefined : kernel;
  if (!missing && isForSlot) return;
  throw new HamletError(
    "boot.slotNotReady",
    missing ? `boot-${slot} has no ${missing}` : `the command line in boot-${slot} is not for slot ${slot}`,
    { hint: "write the whole slot first", exitCode: 3 },
  );
}
