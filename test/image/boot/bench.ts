// A device on the bench, as the contract of boot control sees it: slots with or without a working system, a firmware
// that picks one, and power.
import { type BootControl, otherSlot, type Slot } from "../../../image/boot/boot-control.ts";
import type { TrialRecord, TrialRecordDoor } from "../../../image/boot/trial-record.ts";
import type { Reset } from "../../../image/lab/firmware/reset.ts";
import { makePower, type Power } from "./power.ts";

export type Running = { control: BootControl; slot: Slot; version: string };
export type Bench = {
  power: Power;
  /** Starts the device; a slot that does not start makes it reset, as `panic=3` does. Throws if it never gets up. */
  start(reset: Reset): Promise<Running>;
  /** What the device asked for when it restarted itself. */
  restarted(): Reset;
  /** A whole new system in a slot, except for its entry in the boot loader; what `stage` is then given. */
  writeSlot(slot: Slot, version: string): Promise<Parameters<BootControl["stage"]>[1]>;
  /** The system in the slot panics from now on. */
  breakSlot(slot: Slot): void;
  dispose(): void;
};

/** More starts than any counter has: a device that is not up by then never will be. */
export const maxStarts = 12;

/** The part that is the same for every board. */
export function makeSystem(first: string) {
  const power = makePower();
  const slots: Record<Slot, { version: string; isBroken: boolean } | undefined> = {
    a: { version: first, isBroken: false },
    b: undefined,
  };
  let kept: TrialRecord | undefined;
  let boots = 0;
  let asked: Reset = { kind: "reboot" };
  const record: TrialRecordDoor = {
    read: async () => kept,
    // Written atomically: no half of it.
    write: (next) =>
      power.write(
        async () => {
          kept = next;
        },
        async () => {},
      ),
  };
  return {
    power,
    slots,
    record,
    restart: async (argument?: string) => {
      asked = argument === undefined ? { kind: "reboot" } : { kind: "reboot", argument };
    },
    restarted: () => asked,
    nextBoot: () => {
      boots += 1;
    },
    bootId: async () => String(boots),
    /** Whether the system that an entry was made for is there and starts. */
    starts: (slot: Slot, version: string) => slots[slot]?.version === version && !slots[slot]?.isBroken,
  };
}

/** The life of a device up to the middle of a trial of `version` in the other slot. */
export async function startTrial(bench: Bench, running: Running, version: string): Promise<Running> {
  const slot = otherSlot(running.slot);
  await running.control.stage(slot, await bench.writeSlot(slot, version));
  await running.control.reboot();
  return bench.start(bench.restarted());
}
