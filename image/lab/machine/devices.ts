// The lab's devices by name, each with its own serial number, product UUID, network cards and page network.
import { HamletError } from "../../../system/error.ts";
import { labBoard } from "./boards.ts";

export const deviceNames = ["attic", "cellar", "kitchen", "porch", "shed", "garage"] as const;

export type LabDevice = {
  name: string;
  board: string;
  serial: string;
  uuid: string;
  /** Network card on the LAN hub. */
  lanMac: string;
  /** Network card that connects to this computer only, for the page. */
  pageMac: string;
  /** Each device has its own network, so that an address never means two devices. */
  pageNet: string;
};

/** The devices take `boards` in turn: attic the first, cellar the second or the first again. */
export const labDevices = (count: number, boards: readonly string[] = ["nuc"]): LabDevice[] =>
  deviceNames.slice(0, count).map((name, index) => {
    const number = (index + 1).toString(16).padStart(2, "0");
    const board = boards[index % boards.length]!;
    const isPi = labBoard(board).machine.kind === "pi";
    // A Pi's network cards are on USB, where QEMU always sets this first byte.
    const vendor = isPi ? "40:54:00" : "52:54:00";
    return {
      name,
      board,
      // A Pi's serial number has 16 hex digits.
      serial: isPi ? `100000004c4142${number}` : `LAB-${name.toUpperCase()}-${number}`,
      uuid: `4c414200-0000-4000-8000-0000000000${number}`,
      lanMac: `${vendor}:4c:00:${number}`,
      pageMac: `${vendor}:4d:00:${number}`,
      pageNet: `10.78.${index + 1}.0/24`,
    };
  });

export function deviceExists(name: string, free: string[]): HamletError {
  return new HamletError("lab.deviceExists", `the lab has ${name} already`, {
    hint: free.length > 0 ? `it can still have ${free.join(", ")}` : "it has all the devices that it can have",
    exitCode: 3,
  });
}

export function unknownDevice(name: string, known: string[]): HamletError {
  return new HamletError("lab.deviceUnknown", `the lab has no device called ${name}`, {
    hint: `it has ${known.join(", ")}`,
    exitCode: 2,
  });
}
