// A neighborhood that goes on from where it was saved: in another folder, later, as if nothing had been.
import { mkdir, readdir, readFile, truncate } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { startLab } from "../../image/lab/start.ts";
import type { LabStatus } from "../../image/lab/status.ts";
import { isWhole } from "../../image/lab/whole.ts";
import { eventually } from "../eventually.ts";
import { bootLab, type TestLab } from "./lab.ts";

/** What was saved: its images, where it is, and what the lab said of itself soon after. */
export type Saved = { images: string[]; states: string; whole: LabStatus };

const soon = { within: 90_000, every: 1_000 };
/** The lab that was saved is down by the time these tests run, in this order. */
export function goOnFromState(saved: () => Saved): { lab(): TestLab | undefined } {
  let lab: TestLab | undefined;
  const on = async (name: string, ...argv: string[]) => (await lab!.on(name, ...argv)).stdout;
  const names = () => saved().whole.devices.map(({ name }) => name);
  const start = () => bootLab({ ...pick(saved()), devices: names().length, from: "state" });
  /** How far a device's clock is off, as far as can be told through a device that takes its time. */
  const clockOffS = async (name: string) => {
    const before = Date.now() / 1000;
    const at = Number(await on(name, "date", "+%s.%N"));
    return Math.max(0, before - at, at - Date.now() / 1000);
  };

  test("a lab goes on from its saved state: the same members are alive, and none of them has booted", async () => {
    lab = await start();
    const { start: how, devices } = await lab.until(isWhole);
    expect(how).toEqual({ from: "state", savedAt: expect.any(Number), saving: "none" });
    const identity = ({ devices }: Pick<LabStatus, "devices">) => devices.map(({ id, address }) => [id, address]);
    expect(identity({ devices })).toEqual(identity(saved().whole));
    for (const { console } of devices) expect(await readFile(console, "utf8")).not.toMatch(/Linux version|EFI stub/);
  });

  test("its devices' pages are there, on ports of their own", async () => {
    const { devices } = await lab!.status();
    for (const { name, page } of devices) {
      const answer = async () =>
        (await fetch(new URL("/v1/status", page), { signal: AbortSignal.timeout(10_000) })).text();
      await eventually(async () => expect(await answer()).toContain(name), soon);
    }
  });

  test("its devices have their clocks set to now", async () => {
    for (const name of names()) await eventually(async () => expect(await clockOffS(name)).toBeLessThan(5), soon);
  });

  test("two labs go on from the same state at once, and neither writes into it", async () => {
    const [state = ""] = await readdir(saved().states);
    const about = () => readFile(join(saved().states, state, "state.json"), "utf8");
    const before = await about();
    await using other = await start();
    await other.on("attic", "sh", "-c", "echo other >/var/lib/hamlet/mine; sync");
    expect(isWhole(await lab!.until(isWhole))).toBe(true);
    expect((await lab!.on("attic", "cat", "/var/lib/hamlet/mine")).code).not.toBe(0);
    expect(await about()).toBe(before);
  });

  test("a state that was cut short is refused, and the devices start from power", async () => {
    await lab?.[Symbol.asyncDispose]();
    lab = undefined;
    const { images, states } = saved();
    const [state = ""] = await readdir(states);
    await truncate(join(states, state, "cellar.state"), 1_000_000);
    const folder = join(dirname(states), "refused");
    await mkdir(folder);
    const again = await startLab({
      images,
      devices: names().length,
      states: { folder: states, isFresh: false },
      folder,
    });
    try {
      const { start: how, devices } = await again.status();
      expect(how).toEqual({
        from: "power",
        refused: expect.stringMatching(/lab\.stateRefused: .*cellar\.state has 1000000 of \d+ bytes/),
        saving: "waiting",
      });
      expect(devices.every(({ reached }) => reached.power !== undefined)).toBe(true);
    } finally {
      await again.down();
    }
  });
  return { lab: () => lab };
}

const pick = ({ images, states }: Saved) => ({ images, states });
