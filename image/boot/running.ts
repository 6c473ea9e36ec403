// Reads the running slot from the kernel's command line.
// Pure.
import { HamletError } from "../../system/error.ts";
import type { Slot } from "./boot-control.ts";

/** Throws `boot.unclear`. */
export function slotOnCommandLine(commandLine: string): Slot {
  const [, slot] = /(?:^|\s)hamlet\.slot=([ab])(?=\s|\0|$)/.exec(commandLine) ?? [];
  if (slot === "a" || slot === "b") return slot;
  throw new HamletError("boot.unclear", "the kernel's command line names no slot", {
    hint: "boot control works on a device that was started from a Hamlet image",
  });
}
