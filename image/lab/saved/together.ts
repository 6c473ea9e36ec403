// A lab's devices are saved and go on as one: what they know of each other, down to a TCP connection, is of one moment.
import type { Run } from "../../../system/command.ts";
import type { VirtualDevice } from "../machine/virtual-device.ts";
import { copyLabNeighborhood, removeLabNeighborhood } from "../supervisor/neighborhood.ts";

/** All stand still until the last is written; they go on in any case. */
export async function saveTogether(run: Run, folder: string, devices: VirtualDevice[], target: string): Promise<void> {
  try {
    await copyLabNeighborhood(folder, target);
    await all(devices, (device) => device.standStill());
    await all(devices, (device) => device.save(run, target));
  } finally {
    await Promise.allSettled(devices.map((device) => device.go()));
  }
}

/** All go on from `saved`, where `lay` has put each one's disk; or none has power. */
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

/** Each is done or has failed before the first failure is told. */
async function all(devices: VirtualDevice[], act: (device: VirtualDevice) => Promise<void>): Promise<void> {
  const ends = await Promise.allSettled(devices.map(act));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}
