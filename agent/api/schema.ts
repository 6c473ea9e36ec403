// The contract of the agent's API: what a device reports about itself and its neighborhood, and the requests that change it.
// The page, the command line and the lab read the same shapes; system/http/answer.ts has the shape of an error.
import { z } from "zod";
import { MetricsPayload, PeersPayload } from "../../ota/fleet/topics.ts";
import { RolloutStatus } from "../../ota/rollout/report.ts";
import { UpdateEnd, UpdateReport, UpdateRequest } from "../../provisioning/handover/update.ts";
import { DeviceName, Id, PublicKey } from "../../provisioning/trust/fields.ts";
import { Orders, OrdersStatus, OrdersTaken, ordersPath } from "./orders.ts";

const Bytes = z.int().min(0);
const EpochMs = z.number().min(0);

export const WarningShape = z.object({
  code: z.string(),
  severity: z
    .enum(["error", "warning", "info"])
    .exactOptional() // releases before 0.2 do not send it
    .describe("error: something does not work; warning: it works, but not as it should; info: worth knowing"),
  message: z.string(),
  hint: z.string().describe("the next step"),
  since: EpochMs,
  follows: z.string().exactOptional().describe("code of the standing warning that this one is a consequence of"),
});

/** What a device publishes by MQTT. */
export const Metrics = MetricsPayload;
export type Metrics = z.infer<typeof Metrics>;

export const MemberState = z.enum(["alive", "suspect", "dead", "left"]);

const Attempt = z.discriminatedUnion("result", [
  z.object({ result: z.literal("works"), at: EpochMs, tookMs: z.number().min(0).optional() }),
  z.object({ result: z.literal("noHandshake"), at: EpochMs }),
]);
/** How this device reaches a member, for `net explain`. */
export const MemberPath = z.object({
  inUse: z.object({ endpoint: z.string(), since: EpochMs }).optional(),
  isTrying: z.string().optional().describe("endpoint that is being tried now"),
  isFailing: z.boolean(),
  handshakeAt: EpochMs.optional(),
  candidates: z.array(
    z.object({
      endpoint: z.string(),
      class: z.string().describe("sameLink, globalIpv6, observed, ..."),
      source: z.string().describe("where it came from: record, hello, mdns, seed or wireguard"),
      heardAt: EpochMs,
      last: Attempt.optional().describe("how the last attempt ended"),
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
  tokenId: z.string().exactOptional().describe("the token that it joined with; releases before 0.2 do not send it"),
  admittedBy: z.array(z.string()).exactOptional().describe("ids of the members that let it in"),
  tags: z.array(z.string()).exactOptional().describe("of that token; releases before 0.2 do not send them"),
  updatingUntil: EpochMs.exactOptional().describe(
    "it restarts under a lease of the rollout, and is away for no other reason before this time",
  ),
  endpoint: z.string().optional().describe("where WireGuard reaches this member now"),
  handshakeAgeS: z.number().min(0).optional(),
  rxBytes: Bytes.optional(),
  txBytes: Bytes.optional(),
  rttMs: z.number().min(0).optional(),
  path: MemberPath.optional(),
  metrics: Metrics.optional().describe("the newest that arrived by MQTT"),
  peers: PeersPayload.shape.peers.optional().describe("how this member reaches the others, as it reports by MQTT"),
});
export type MemberStatus = z.infer<typeof MemberStatus>;

export const PendingStatus = z.object({
  id: z.string(),
  name: z.string(),
  deviceKey: PublicKey.describe("what an adoption names"),
  code: z.string().describe("adoption code, as abcd-efgh-ijkl"),
  because: z.string(),
});
export const NeighborStatus = z.object({
  id: z.string().optional(),
  address: z.string(),
  port: z.int(),
  via: z.enum(["mdns", "seed"]),
});
export const TuningStatus = z.object({ profile: z.string(), key: z.string(), was: z.string(), is: z.string() });

/** What the updater is doing, without what grows: `GET /v1/update` on the device's own socket has it all. */
export const UpdateStatus = UpdateReport.omit({ history: true }).extend({
  last: UpdateEnd.omit({ log: true }).exactOptional().describe("how the last update ended"),
  fallback: UpdateEnd.omit({ log: true }).exactOptional(),
});
export type UpdateStatus = z.infer<typeof UpdateStatus>;
export const reportPath = "/v1/update";
/** How long the agent waits until the updater takes a request: it does so as soon as it is free, and a check takes seconds. */
export const handOverWithinMs = 20_000;
/** How long it waits for root's answer about a reset: systemd starts a program for it, which takes a busy board many seconds. */
export const rootWithinMs = 60_000;

export const LeaseStatus = z.object({
  holder: z.string().exactOptional().describe("id of the member that may restart now"),
  since: z.number().exactOptional().describe("when it got the lease, in ms since 1970"),
  voters: z.array(z.string()).describe("ids of the members whose majority grants it"),
});

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
    code: z.string().describe("adoption code, as abcd-efgh-ijkl"),
    deviceKey: PublicKey.exactOptional().describe("releases before 0.2 do not send it"),
    uptimeS: z.number().min(0).describe("of the agent"),
  }),
  members: z.array(MemberStatus),
  pending: z.array(PendingStatus),
  neighbors: z.array(NeighborStatus),
  broker: z.string().optional().describe("id of the member that runs the broker"),
  lease: LeaseStatus.exactOptional().describe("who may restart; absent while there is no mesh"),
  tuning: z.array(TuningStatus),
  internalDisk: z
    .object({ path: z.string(), sizeBytes: Bytes, model: z.string(), partitions: z.int().min(0) })
    .optional()
    .describe("the internal disk that this device could move to, while it runs from a USB stick"),
  update: UpdateStatus.optional().describe("absent where no updater runs"),
  rollout: RolloutStatus.exactOptional().describe("how the rollout stands that is under way, or was the last"),
  orders: OrdersStatus.exactOptional().describe("what operators have ordered; absent while there is no mesh"),
  warnings: z.array(WarningShape),
});
export type Status = z.infer<typeof Status>;

/** What strangers on the link may see: nothing about other devices. */
export const PublicStatus = z.object({
  v: z.literal(1),
  phase: Status.shape.phase,
  name: z.string(),
  board: z.string(),
  release: z.string(),
  code: z.string(),
  deviceKey: PublicKey.exactOptional().describe("what an adoption names; releases before 0.2 do not send it"),
  warnings: z.array(WarningShape.omit({ since: true })),
});
export type PublicStatus = z.infer<typeof PublicStatus>;

/** `id` names the device that the user confirmed: another device refuses the request. */
const Confirmed = z.strictObject({ id: Id });
/** Requests that change a device for good, by POST on the agent's own socket: what each takes and answers. */
export const requests = {
  "/v1/rename": { body: z.strictObject({ name: DeviceName }), answer: z.object({ name: DeviceName }) },
  "/v1/reset": { body: Confirmed, answer: z.object({ id: Id }) },
  "/v1/install": {
    body: Confirmed.extend({ disk: z.string().describe("path of the disk whose content is given up") }),
    answer: z.object({ id: Id, disk: z.string() }),
  },
  [ordersPath]: { body: Orders, answer: OrdersTaken },
  /** Answered once the updater has taken it, and refused if none does. */
  "/v1/update": { body: UpdateRequest, answer: UpdateRequest },
} as const;
export type RequestPath = keyof typeof requests;
export type RequestBody<Path extends RequestPath> = z.infer<(typeof requests)[Path]["body"]>;
export type RequestAnswer<Path extends RequestPath> = z.infer<(typeof requests)[Path]["answer"]>;
