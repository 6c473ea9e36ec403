// What a rehearsal needs of its devices and of time: lab-stage.ts has real ones.
import type { UpdateStatus } from "../../../../agent/api/schema.ts";
import type { LineTerms } from "../../../../image/lab/network/line.ts";
import { HamletError } from "../../../../system/error.ts";

export type DeviceReport = { id: string; update: UpdateStatus };
/** The devices that play, and the time that passes for them. */
export type Stage = {
  /** Undefined while the device or its updater is silent. Throws if its machine has ended. */
  report(device: string): Promise<DeviceReport | undefined>;
  ask(device: string, kind: "now" | "retry" | "back"): Promise<void>;
  /** Who is not well, in words; undefined if every device reaches every other. */
  trouble(): Promise<string | undefined>;
  setLine(device: string, line: LineTerms): Promise<void>;
  heal(device: string): Promise<void>;
  cut(device: string, seed: number): Promise<void>;
  restore(device: string): Promise<void>;
  /** The last lines of the device before it came back by itself. */
  lastLines(device: string): Promise<string[]>;
  now(): number;
  /** Throws when the rehearsal is stopped. */
  pause(ms: number): Promise<void>;
};
export type OpenStage = Stage & { devices: string[]; close(): Promise<void> };

export const second = 1_000;
export const pollMs = 500;
export const wellWithinMs = 10 * 60 * second;

export async function awaitReport(stage: Stage, device: string): Promise<DeviceReport> {
  const deadline = stage.now() + wellWithinMs;
  for (; stage.now() < deadline; await stage.pause(pollMs)) {
    const report = await stage.report(device);
    if (report) return report;
  }
  throw new HamletError("device.noAnswer", `${device} does not answer`);
}

/** A device that does not answer now is asked again later. */
export async function ask(stage: Stage, device: string, kind: "now" | "retry" | "back"): Promise<void> {
  await stage.ask(device, kind).catch((error: unknown) => {
    if (!(error instanceof HamletError) || !isSilence(error)) throw error;
  });
}

export const isSilence = ({ code }: HamletError): boolean => ["device.noAnswer", "lab.execFailed"].includes(code);
