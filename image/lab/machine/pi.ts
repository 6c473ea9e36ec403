// A virtual Raspberry Pi across resets: the emulated firmware chooses what to start, QEMU runs it until the next reset, and the
// device's request (`reboot "0 tryboot"`) is read from its console.

import { open, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Argv } from "../../../system/command.ts";
import { describeError } from "../../../system/error.ts";
import type { RpiBoard } from "../../boards.ts";
import { readerOf } from "../../disk/read-at.ts";
import { readFdt, setProperty, writeFdt } from "../firmware/fdt.ts";
import { planBoot } from "../firmware/firmware.ts";
import { afterReset, coldState, type ResetState, rebootOnConsole, takeState } from "../firmware/reset.ts";
import { labBoard } from "./boards.ts";
import { type Machine, type MachineSpec, machineFiles, piArgv, startQemu } from "./machine.ts";

/** Turns the device on; `ended` resolves when it is off: power cut, powered down, or nothing bootable. */
export function startPi(spec: MachineSpec): Machine {
  let qemu: Machine | undefined;
  let isCut = false;
  const live = async (): Promise<string> => {
    let state = coldState;
    for (;;) {
      const { boot, left } = takeState(state);
      const argv = await loadPi(spec, boot);
      const shownBefore = await consoleBytes(spec);
      if (isCut) return "cut";
      qemu = startQemu(argv, spec.folder);
      const how = await qemu.ended;
      const shown = (await readFile(consoleOf(spec))).subarray(shownBefore).toString("latin1");
      // QEMU's last output follows the exit code.
      if (isCut || !/^exit code 0\b/.test(how)) return how;
      if (/reboot: Power down/.test(shown)) return "powered down";
      // A panic or watchdog reset prints no restart.
      const reset = rebootOnConsole(shown);
      state = reset ? afterReset(reset) : left;
    }
  };
  const ended = live().catch(describeError);
  return {
    get pid() {
      return qemu?.pid ?? 0;
    },
    ended,
    async cut() {
      isCut = true;
      await qemu?.cut();
      await ended;
    },
  };
}

/** Does the firmware's work: writes the boot files for QEMU, and returns QEMU's command line. */
export async function loadPi(spec: MachineSpec, request: ResetState = coldState): Promise<Argv> {
  const { device, folder, hasLabPort } = spec;
  const files = machineFiles(device.name);
  const board = labBoard(device.board).board as RpiBoard;
  await using card = await open(join(folder, files.card), "r");
  const readAt = readerOf(card);
  const { isTryboot: tryboot, partition } = request;
  const plan = await planBoot(readAt, board, { tryboot, partition, serial: device.serial });
  const tree = readFdt(plan.deviceTree);
  if (hasLabPort) {
    // The lab uses the serial port that a real board's Bluetooth is on.
    setProperty(tree, "/soc/serial@7e201000/bluetooth", "status", "disabled");
    setProperty(tree, "/chosen", "hamlet,lab-port", "ttyAMA0");
  }
  await writeFile(join(folder, files.kernel), plan.kernel);
  await writeFile(join(folder, files.initrd), plan.initrd ?? "");
  await writeFile(join(folder, files.deviceTree), writeFdt(tree));
  // QEMU 7.2 resets the board as soon as the watchdog is armed.
  return piArgv(spec, `${plan.commandLine} systemd.watchdog_sec=0`);
}

const consoleOf = ({ device, folder }: MachineSpec) => join(folder, machineFiles(device.name).console);
const consoleBytes = (spec: MachineSpec): Promise<number> =>
  stat(consoleOf(spec)).then(
    ({ size }) => size,
    () => 0,
  );
