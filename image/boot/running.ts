// Reads the running slot from the kernel's command line.
// Pure.
import { HamletError } from "../../system/error.ts";
import type { Slot, Verity } from "./boot-control.ts";

/** Throws `boot.unclear`. */
export function slotOnCommandLine(commandLine: string): Slot {
  const [, slot] = /(?:^|\s)hamlet\.slot=([ab])(?=\s|\0|$)/.exec(commandLine) ?? [];
  if (slot === "a" || slot === "b") return slot;
  throw new HamletError("boot.unclear", "the kernel's command line names no slot", {
    hint: "boot control works on a device that was started from a Hamlet image",
  });
}

/** Undefined if the command line names no root filesystem. */
export function verityOnCommandLine(commandLine: string): Verity | undefined {
  const [, rootHash] = /(?:^|\s)hamlet\.verity=([0-9a-f]{64})(?=\s|\0|$)/.exec(commandLine) ?? [];
  const [, blocks] = /(?:^|\s)hamlet\.blocks=(\d{1,9})(?=\s|\0|$)/.exec(commandLine) ?? [];
  const dataBlocks = Number(blocks ?? 0);
  return rootHash !== undefined && dataBlocks > 0 ? { rootHash, dataBlocks } : undefined;
}
