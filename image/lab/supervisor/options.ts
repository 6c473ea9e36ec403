// The options of a supervisor, and the names of its files.
import { join } from "node:path";
import { z } from "zod";
import { ReleaseRoot, Repositories } from "../../../provisioning/file/update-source.ts";
import { stateFolder } from "../../../system/paths.ts";
import { deviceNames } from "../machine/devices.ts";

export const lockName = "supervisor.lock";
export const logName = "supervisor.log";
export const labFolder = (): string => join(stateFolder(), "lab");

export const SupervisorOptions = z.strictObject({
  folder: z.string(),
  images: z.array(z.string()).min(1).describe("the devices' images in turn; an image's board is its device's"),
  devices: z.int().min(1).max(deviceNames.length).default(3),
  accelerator: z.enum(["kvm", "tcg"]).optional().describe("default: KVM where it truly works"),
  disk: z.enum(["virtio", "nvme", "usb"]).default("virtio"),
  nic: z.enum(["virtio", "e1000e"]).default("virtio"),
  memoryMb: z.int().min(128).default(512),
  hasLabPort: z.boolean().default(true).describe("false: no exec, no console, a machine as a user's"),
  isCounted: z.boolean().default(false).describe("true: the devices' clocks count instructions, for measuring"),
  web: z.string().optional().describe("folder that http://10.77.0.2/ serves; default: the LAN has no such host"),
  updates: z
    .strictObject({ repositories: Repositories, releaseRoot: ReleaseRoot })
    .optional()
    .describe("where the devices get their updates; default: as their image says"),
  states: z
    .strictObject({
      folder: z.string(),
      isFresh: z.boolean().describe("do not go on from a saved state, but save one in its place"),
    })
    .optional()
    .describe("where saved labs are; default: from power, and nothing is saved"),
  isProvisioned: z.boolean().default(true).describe("false: devices come up without a neighborhood"),
});
export type SupervisorOptions = z.infer<typeof SupervisorOptions>;
