// The lab's devices by name, and what makes each distinct: serial number, product UUID, network cards, page network.
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
  /** Network card that leads to this computer only and carries the page. */
  pageMac: string;
  /** A network of its own for each device: an address must never mean two devices. */
  pageNet: string;
};

/** `boards` in turn: attic has the first, cellar the second or the first again. */
export const labDevices = (count: number, boards: readonly string[] = ["nuc"]): LabDevice[] =>
  deviceNames.slice(0, count).map((name, index) => {
    const number = (index + 1).toString(16).padStart(2, "0");
    const board = boards[index % boards.length]!;
    const isPi = labBoard(board).machine.kind === "pi";
    // A Pi's network cards are on USB here, and QEMU's give themselves this first byte.
    const vendor = isPi ? "40:54:00" : "52:54:00";
    return {
      name,
      board,
      // Of a Pi: 16 hex digits.
      serial: isPi ? `100000004c4142${number}` : `LAB-${name.toUpperCase()}-${number}`,
      uuid: `4c414200-0000-4000-8000-0000000000${number}`,
      lanMac: `${vendor}:4c:00:${number}`,
      pageMac: `${vendor}:4d:00:${number}`,
      pageNet: `10.78.${index + 1}.0/24`,
    };
  });

export function unknownDevice(name: string, known: string[]): HamletError {
  return new HamletError("lab.deviceUnknown", `the lab has no device called ${name}`, {
    hint: `it has ${known.join(", ")}`,
    exitCode: 2,
  });
}
