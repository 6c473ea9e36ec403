// The stage of a rehearsal: a lab of its own in a folder of its own, with its own neighborhood. Its web serves the publisher's repository,
// which nothing writes. Whatever ends this process ends the lab.
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { LabClient } from "../../../../image/lab/supervisor/client.ts";
import { lockHolder } from "../../../../image/lab/supervisor/lock.ts";
import { lockName, type SupervisorOptions } from "../../../../image/lab/supervisor/options.ts";
import { startLab } from "../../../../image/lab/supervisor/start.ts";
import type { LabStatus } from "../../../../image/lab/supervisor/status.ts";
import { waitForLab } from "../../../../image/lab/supervisor/wait.ts";
import { isWhole } from "../../../../image/lab/supervisor/whole.ts";
import { sleep } from "../../../../system/clock.ts";
import { HamletError } from "../../../../system/error.ts";
import { stateFolder } from "../../../../system/paths.ts";
import type { Device } from "../../../terminal/device.ts";
import { findLabDevice } from "../../../terminal/device.ts";
import { isSilence, type OpenStage, type Stage } from "./stage.ts";

const folderName = /^rehearsal-[A-Za-z0-9]{6}$/;
/** Longer than a lab takes to lock its folder. */
const abandonedAfterMs = 10 * 60_000;

export type StageOptions = Pick<SupervisorOptions, "devices" | "updates"> & { image: string; served: string };

/** Resolves when the devices reach each other and have an updater. Throws `lab.bootFailed`, or what stops `signal`. */
export async function openLabStage(
  { image, served, devices, updates }: StageOptions,
  onStage: (text: string) => void,
  signal: AbortSignal,
): Promise<OpenStage> {
  const parent = stateFolder();
  await removeAbandoned(parent, Date.now());
  const folder = await mkdtemp(join(parent, "rehearsal-"));
  let lab: LabClient | undefined;
  const close = async () => {
    await lab?.down().catch(() => {});
    await rm(folder, { recursive: true, force: true });
  };
  try {
    lab = await startLab({ folder, images: [image], devices, updates, web: served });
    await lab.own();
    onStage("starting the devices");
    const { devices: started } = await waitForLab(lab, isReady, refuseDeadWeb, signal);
    return { ...play(lab, signal), devices: started.map(({ name }) => name), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Folders of rehearsals that were killed. */
export async function removeAbandoned(parent: string, now: number): Promise<void> {
  for (const name of await readdir(parent).catch(() => [])) {
    if (!folderName.test(name)) continue;
    const folder = join(parent, name);
    const { mtimeMs = now } = (await stat(folder).catch(() => undefined)) ?? {};
    const isInUse = now - mtimeMs < abandonedAfterMs || (await lockHolder(join(folder, lockName))) !== undefined;
    if (!isInUse) await rm(folder, { recursive: true, force: true });
  }
}

const isReady = (status: LabStatus): boolean =>
  isWhole(status) && status.web?.state === "up" && status.devices.every(({ slot }) => slot !== undefined);

function refuseDeadWeb({ web }: LabStatus): void {
  if (web?.state === "down") throw new HamletError("lab.joinFailed", `the lab's web is down: ${web.problem}`);
}

function play(lab: LabClient, signal: AbortSignal): Stage {
  const open = new Map<string, Promise<Device>>();
  const on = (name: string) => {
    const device = open.get(name) ?? findLabDevice(lab, name);
    open.set(name, device);
    return device;
  };
  return {
    async report(name) {
      try {
        const { self, update } = await (await on(name)).status();
        return update && { id: self.id, update };
      } catch (error) {
        if (!(error instanceof HamletError) || !isSilence(error)) throw error;
        await refuseBroken(lab, name);
        return undefined;
      }
    },
    ask: async (name, kind) => void (await (await on(name)).request!("/v1/update", { kind })),
    async trouble() {
      const status = await lab.status();
      const away = status.devices
        .filter(({ state }) => state !== "alive")
        .map(({ name, state }) => `${name} is ${state}`);
      return away.length > 0 ? away.join(", ") : isWhole(status) ? undefined : "a device has no handshake with another";
    },
    setLine: (name, line) => lab.link(name, line),
    heal: (name) => lab.heal(name),
    cut: async (name, seed) => void (await lab.cut(name, seed)),
    restore: (name) => lab.restore(name),
    async lastLines(name) {
      const report = await (await on(name)).updateReport?.().catch(() => undefined);
      return report?.fallback?.log ?? [];
    },
    now: () => performance.now(),
    pause: (ms) => sleep(ms, signal),
  };
}

async function refuseBroken(lab: LabClient, name: string): Promise<void> {
  const device = (await lab.status()).devices.find((one) => one.name === name);
  if (device?.problem === undefined) return;
  throw new HamletError("lab.bootFailed", `${name}'s machine ended: ${device.problem}`);
}
