// What a device says about itself and its neighborhood: one shape for the API, the page, the command line and the lab.
import { z } from "zod";
import { MetricsPayload } from "../../ota/fleet/topics.ts";

const Bytes = z.int().min(0);
const EpochMs = z.number().min(0);

export const WarningShape = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string().describe("the next step"),
  since: EpochMs,
});

/** As a device publishes them by MQTT. */
export const Metrics = MetricsPayload;
export type Metrics = z.infer<typeof Metrics>;

export const MemberState = z.enum(["alive", "suspect", "dead", "left"]);

const Trial = z.discriminatedUnion("result", [
  z.object({ result: z.literal("works"), at: EpochMs, tookMs: z.number().min(0).optional() }),
  z.object({ result: z.literal("noHandshake"), at: EpochMs }),
]);
/** How a member is reached, for `net explain`. */
export const MemberPath = z.object({
  inUse: z.object({ endpoint: z.string(), since: EpochMs }).optional(),
  isTrying: z.string().optional().describe("endpoint on trial now"),
  isFailing: z.boolean(),
  handshakeAt: EpochMs.optional(),
  candidates: z.array(
    z.object({
      endpoint: z.string(),
      class: z.string().describe("sameLink, globalIpv6, observed, ..."),
      source: z.string().describe("who told of it: record, hello, mdns, seed or wireguard"),
      heardAt: EpochMs,
      last: Trial.optional().describe("how its last trial ended"),
    }),
  ),
});
export type MemberPath = z.infer<typeof MemberPath>;

export const MemberStatus = z.object({
  id: z.string(),
  name: z.string(),
  state: MemberState,
  address: z.ipv6(),
  board: z.string(),
  release: z.string(),
  isSelf: z.boolean(),
  endpoint: z.string().optional().describe("where WireGuard reaches this member now"),
  handshakeAgeS: z.number().min(0).optional(),
  rxBytes: Bytes.optional(),
  txBytes: Bytes.optional(),
  rttMs: z.number().min(0).optional(),
  path: MemberPath.optional(),
  metrics: Metrics.optional().describe("the last that came by MQTT"),
});
export type MemberStatus = z.infer<typeof MemberStatus>;

export const PendingStatus = z.object({
  id: z.string(),
  name: z.string(),
  code: z.string().describe("adoption code"),
  because: z.string(),
});
export const NeighborStatus = z.object({
  id: z.string().optional(),
  address: z.string(),
  port: z.int(),
  via: z.enum(["mdns", "seed"]),
});
export const TuningStatus = z.object({ profile: z.string(), key: z.string(), was: z.string(), is: z.string() });

export const Status = z.object({
  v: z.literal(1),
  phase: z.enum(["unprovisioned", "pending", "member"]),
  neighborhood: z.object({ id: z.string(), name: z.string() }).optional(),
  self: z.object({
    id: z.string(),
    name: z.string(),
    board: z.string(),
    release: z.string(),
    address: z.ipv6().optional(),
    code: z.string().describe("adoption code"),
    uptimeS: z.number().min(0).describe("of the agent"),
  }),
  members: z.array(MemberStatus),
  pending: z.array(PendingStatus),
  neighbors: z.array(NeighborStatus),
  broker: z.string().optional().describe("id of the member that runs the broker"),
  tuning: z.array(TuningStatus),
  internalDisk: z
    .object({ path: z.string(), sizeBytes: Bytes, model: z.string(), partitions: z.int().min(0) })
    .optional()
    .describe("the disk inside this device that could take it, while it runs from its stick"),
  warnings: z.array(WarningShape),
});
export type Status = z.infer<typeof Status>;

/** What strangers on the link may see: nothing about others. */
export const PublicStatus = z.object({
  v: z.literal(1),
  phase: Status.shape.phase,
  name: z.string(),
  board: z.string(),
  release: z.string(),
  code: z.string(),
  warnings: z.array(WarningShape.pick({ code: true, message: true, hint: true })),
});
export type PublicStatus = z.infer<typeof PublicStatus>;
