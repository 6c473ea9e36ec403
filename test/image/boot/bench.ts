// A simulated device for the contract of boot control: slots with or without a working system, a firmware that picks one,
// and power that can fail.
import { type BootControl, type NewKernel, otherSlot, type Slot } from "../../../image/boot/boot-control.ts";
import type { TrialRecord, TrialRecordDoor } from "../../../image/boot/trial-record.ts";
import type { Reset } from "../../../image/lab/firmware/reset.ts";
import { makePower, type Power } from "./power.ts";

export type Running = { control: BootControl; slot: Slot; version: string };
export type Bench = {
  power: Power;
  /** Starts the device, which resets if a slot fails to start, as with `panic=3`. Throws if it never comes up. */
  start(reset: Reset): Promise<Running>;
  /** The kind of reset that the device requested when it restarted itself. */
  restarted(): Reset;
  /** Writes a new system to a slot, except for its entry in the boot loader; returns the argument for `stage`. */
  writeSlot(slot: Slot, version: string): Promise<Parameters<BootControl["stage"]>[1]>;
  /** Whether the slot holds all of this version: what whoever goes back has to verify. */
  holds(slot: Slot, version: string): boolean;
  /** All that the firmware and the loader read, names and counters included. */
  bootFiles(): string;
  /** Makes the system in the slot panic from now on. */
  breakSlot(slot: Slot): void;
  dispose(): void;
};

/** A kernel that is not on the device yet. */
export const streamOf = (bytes: Buffer): NewKernel => ({
  sizeBytes: bytes.length,
  async *read() {
    // Pieces that end anywhere, in one buffer, as a file's do.
    const buffer = Buffer.alloc(700);
    for (let at = 0; at < bytes.length; at += buffer.length) {
      yield buffer.subarray(0, bytes.copy(buffer, 0, at));
    }
  },
  async isSame(found) {
    const pieces: Buffer[] = [];
    for await (const piece of found) pieces.push(Buffer.from(piece));
    return Buffer.concat(pieces).equals(bytes);
  },
});

/** More starts than any counter allows: a device that is not up by then never will be. */
export const maxStarts = 12;

/** The part that all boards share. */
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
    // Written atomically: a power cut leaves all of it or nothing.
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
    holds: (slot: Slot, version: string) => slots[slot]?.version === version,
    /** Whether the system that an entry belongs to exists and starts. */
    starts: (slot: Slot, version: string) => slots[slot]?.version === version && !slots[slot]?.isBroken,
  };
}

/** Runs a device up to the middle of a trial of `version` in the other slot. */
export async function startTrial(bench: Bench, running: Running, version: string): Promise<Running> {
  const slot = otherSlot(running.slot);
  await running.control.stage(slot, await bench.writeSlot(slot, version));
  await running.control.reboot();
  return bench.start(bench.restarted());
}
