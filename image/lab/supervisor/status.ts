// The lab's status: the output of `hamlet lab status --json`.
import { z } from "zod";
import { LineTerms } from "../network/line.ts";
import { Activity } from "../power/moment.ts";

/** The milestones of a device since power-on, in this order. */
export const milestones = [
  "power",
  "firmware",
  "kernel",
  "agent",
  "neighbor",
  "member",
  "handshake",
  "telemetry",
] as const;
export type Milestone = (typeof milestones)[number];

export const DeviceState = z
  .enum(["off", "booting", "joining", "alive", "apart", "silent"])
  .describe(
    "off; booting: no agent yet; joining: its agent answers; alive: others see it alive; apart: they no longer do; silent: its agent no longer answers",
  );
export type DeviceState = z.infer<typeof DeviceState>;

const seconds = z.number().min(0);
export const LabDeviceStatus = z.object({
  name: z.string(),
  state: DeviceState,
  isPartitioned: z.boolean().describe("its cable is pulled"),
  line: LineTerms.optional().describe("the bad line between it and the LAN"),
  board: z.string(),
  image: z.string(),
  serial: z.string(),
  id: z.string().optional(),
  address: z.string().optional().describe("on the mesh"),
  release: z.string().optional(),
  slot: z.enum(["a", "b"]).optional().describe("the slot that runs, once the device's updater has reported"),
  page: z.string().describe("its public page, on this computer"),
  console: z.string().describe("file with all its serial console has shown"),
  update: Activity.optional().describe("what its updater is doing, as it last reported"),
  handshakes: z.int().min(0).describe("members with which it has a WireGuard handshake"),
  seenBy: z.array(z.string()).describe("devices whose list has it alive"),
  telemetry: z.boolean().describe("its metrics reached another device by MQTT"),
  reached: z
    .partialRecord(z.enum(milestones), seconds)
    .describe("seconds from the lab's start to each milestone since its power went on"),
  problem: z.string().optional().describe("why its machine ended by itself"),
});
export type LabDeviceStatus = z.infer<typeof LabDeviceStatus>;

/** How the lab started, and whether it is saved for the next. */
export const LabStart = z.object({
  from: z.enum(["power", "state"]).describe("state: the devices go on from where an earlier lab was saved"),
  savedAt: z.int().optional().describe("when that was, in ms since 1970"),
  refused: z.string().optional().describe("why a saved state was there and was not used"),
  saving: z
    .enum(["none", "waiting", "saving", "saved", "given up"])
    .describe("of this lab, for the next; waiting: until all is well"),
  problem: z.string().optional().describe("why it was given up"),
});
export type LabStart = z.infer<typeof LabStart>;

export const LabWebStatus = z.object({
  url: z.string().describe("as the devices reach it"),
  folder: z.string().describe("what it serves"),
  requests: z.string().describe("file with one line of JSON a request"),
  isPartitioned: z.boolean().describe("its cable is pulled"),
  state: z.enum(["starting", "up", "down"]),
  problem: z.string().optional().describe("why it is down"),
});
export type LabWebStatus = z.infer<typeof LabWebStatus>;

export const LabStatus = z.object({
  v: z.literal(1),
  pid: z.int().describe("of the supervisor"),
  elapsedS: seconds.describe("since the lab's start"),
  accelerator: z.enum(["kvm", "tcg"]),
  start: LabStart,
  devices: z.array(LabDeviceStatus),
  web: LabWebStatus.optional(),
});
export type LabStatus = z.infer<typeof LabStatus>;

const count = z.int().min(0);
/** What a power cut left on a device's disk. */
export const CutReport = z.discriminatedUnion("kept", [
  z.object({ kept: z.literal("all") }),
  z.object({
    kept: z.literal("flushed"),
    seed: z.int().describe("the same, at the same moment, leaves the same on the disk"),
    flushedWrites: count,
    whole: count.describe("writes since the last flush that reached the disk"),
    torn: count.describe("those that reached it in part"),
    lost: count,
  }),
]);
export type CutReport = z.infer<typeof CutReport>;

export const LabEvent = z.object({
  atS: seconds,
  device: z.string(),
  what: z.union([z.enum(milestones), z.enum(["off", "dead", "alive", "partitioned", "healed", "ended"])]),
  detail: z.string().optional(),
});
export type LabEvent = z.infer<typeof LabEvent>;
