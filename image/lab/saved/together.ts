// Saves and resumes all devices of a lab together, so that their knowledge of each other, down to TCP connections, is consistent.
import type { Run } from "../../../system/command.ts";
import type { VirtualDevice } from "../machine/virtual-device.ts";
import { copyLabNeighborhood, removeLabNeighborhood } from "../supervisor/neighborhood.ts";

/** Pauses all until the last is written; then they continue in any case. */
export async function saveTogether(run: Run, folder: string, devices: VirtualDevice[], target: string): Promise<void> {
  try {
    await copyLabNeighborhood(folder, target);
    await all(devices, (device) => device.standStill());
    await all(devices, (device) => device.save(run, target));
  } finally {
    await Promise.allSettled(devices.map((device) => device.go()));
  }
}

/** Resumes all from `saved`, where `lay` puts each disk in place; if one fails, all are turned off. */
export async function wakeTogether(
  folder: string,
  devices: VirtualDevice[],
  saved: string,
  lay: (device: VirtualDevice) => Promise<void>,
): Promise<void> {
  try {
    await all(devices, async (device) => {
      await lay(device);
      await device.wake(saved);
    });
    await copyLabNeighborhood(saved, folder);
    await all(devices, (device) => device.go());
  } catch (cause) {
    for (const device of devices) await device.powerOff();
    await removeLabNeighborhood(folder);
    throw cause;
  }
}

/** Waits for every task before it throws the first failure. */
async function all(devices: VirtualDevice[], act: (device: VirtualDevice) => Promise<void>): Promise<void> {
  const ends = await Promise.allSettled(devices.map(act));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}
