// A neighborhood resumes from a saved state, later and in another folder, as if nothing had happened.
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import type { LabStatus } from "../../image/lab/supervisor/status.ts";
import { isWhole } from "../../image/lab/supervisor/whole.ts";
import { eventually } from "../eventually.ts";
import { bootLab, type TestLab } from "./lab.ts";

/** A saved lab: its images, the folder of states, and its status soon after the save. */
export type Saved = { images: string[]; states: string; whole: LabStatus };

const soon = { within: 90_000, every: 1_000 };
/** These tests run in order, after the saved lab has ended. */
export function goOnFromState(saved: () => Saved): { lab(): TestLab | undefined } {
  let lab: TestLab | undefined;
  const on = async (name: string, ...argv: string[]) => (await lab!.on(name, ...argv)).stdout;
  const names = () => saved().whole.devices.map(({ name }) => name);
  /** The least by which a device's clock must be off, given how long the device takes to answer. */
  const clockOffS = async (name: string) => {
    const before = Date.now() / 1000;
    const at = Number(await on(name, "date", "+%s.%N"));
    return Math.max(0, before - at, at - Date.now() / 1000);
  };

  test("a lab resumes from its saved state: the same members are alive, and none of them has booted", async () => {
    const { images, states } = saved();
    lab = await bootLab({ images, states, devices: names().length, from: "state" });
    const { start: how, devices } = await lab.until(isWhole);
    expect(how).toEqual({ from: "state", savedAt: expect.any(Number), saving: "none" });
    const identity = ({ devices }: Pick<LabStatus, "devices">) => devices.map(({ id, address }) => [id, address]);
    expect(identity({ devices })).toEqual(identity(saved().whole));
    for (const { console } of devices) expect(await readFile(console, "utf8")).not.toMatch(/Linux version|EFI stub/);
  });

  test("the resumed devices serve their pages, on new ports", async () => {
    const { devices } = await lab!.status();
    for (const { name, page } of devices) {
      const answer = async () =>
        (await fetch(new URL("/v1/status", page), { signal: AbortSignal.timeout(10_000) })).text();
      await eventually(async () => expect(await answer()).toContain(name), soon);
    }
  });

  test("the resumed devices' clocks show the current time", async () => {
    for (const name of names()) await eventually(async () => expect(await clockOffS(name)).toBeLessThan(5), soon);
  });
  return { lab: () => lab };
}
