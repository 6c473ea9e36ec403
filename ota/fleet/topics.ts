// What goes over MQTT: one table of topics with the schema of each payload. `topics.md` shows this table.
// A device publishes below its own topic only; nothing that arrives here is an order.
import { z } from "zod";
import { Nobody } from "../rollout/nobody.ts";

const Bytes = z.int().min(0);
const EpochMs = z.number().min(0);
const Name = z.string().max(253);

export const StatePayload = z.object({
  v: z.literal(1),
  state: z
    .enum(["online", "offline"])
    .describe("offline is the last will: the broker publishes it when the device is gone"),
  name: Name,
  board: z.string().max(64),
  release: z.string().max(128),
  address: z.string().max(64).describe("on the mesh"),
});
export type StatePayload = z.infer<typeof StatePayload>;

export const MetricsPayload = z.object({
  at: EpochMs.describe("when they were read"),
  cpu: z.number().min(0).max(1).describe("share of all cores in use since the message before"),
  load1: z.number().min(0),
  uptimeS: z.number().min(0).describe("of the system"),
  startedAt: EpochMs.optional().describe(
    "when the system started; the same in every message until the clock is set right",
  ),
  memoryTotal: Bytes,
  memoryAvailable: Bytes,
  agentRss: Bytes,
  dataTotal: Bytes.optional(),
  dataFree: Bytes.optional(),
  temperatureC: z.number().optional(),
  linkRx: Bytes.describe("bytes received on the links since boot"),
  linkTx: Bytes,
  meshRx: Bytes.describe("bytes received over the mesh since boot"),
  meshTx: Bytes,
});
export type MetricsPayload = z.infer<typeof MetricsPayload>;

const Short = z.string().max(256);
export const InventoryPayload = z.object({
  v: z.literal(1),
  at: EpochMs,
  system: z.object({ manufacturer: Short, model: Short, virtual: z.boolean() }),
  cpu: z.object({ brand: Short, cores: z.int().min(0), architecture: Short }),
  memoryBytes: Bytes,
  disks: z.array(z.object({ name: Short, type: Short, sizeBytes: Bytes })).max(32),
  links: z.array(z.object({ name: Short, type: Short, speedMbit: z.number().nullable() })).max(32),
  os: z.object({ distribution: Short, release: Short, kernel: Short }),
  node: Short.describe("version of the runtime"),
});
export type InventoryPayload = z.infer<typeof InventoryPayload>;

export const WarningsPayload = z.object({
  v: z.literal(1),
  warnings: z
    .array(
      z.object({
        code: Short,
        severity: z.enum(["error", "warning", "info"]).exactOptional(),
        message: z.string().max(1024),
        hint: z.string().max(1024),
        since: EpochMs,
        follows: Short.exactOptional(),
      }),
    )
    .max(64),
});
export type WarningsPayload = z.infer<typeof WarningsPayload>;

export const PeersPayload = z.object({
  v: z.literal(1),
  peers: z
    .array(
      z.object({
        id: z.string().length(26),
        path: z
          .string()
          .max(16)
          .optional()
          .describe("kind of the endpoint in use: sameLink, globalIpv6, observed, ..."),
        handshakeAgeS: z.number().min(0).optional().describe("when this was sent; absent before the first handshake"),
        rttMs: z.number().min(0).optional(),
      }),
    )
    .max(128),
});
export type PeersPayload = z.infer<typeof PeersPayload>;

export const UpdatePayload = z.object({
  v: z.literal(1),
  installed: Name,
  newest: Name.optional().describe("absent until a repository has answered"),
  phase: z.string().max(16).describe("idle, checking, writing, verifying, restarting, trying or waiting"),
  target: Name.optional().describe("the release that the phase is about"),
  percent: z.int().min(0).max(100).optional().describe("of writing or verifying"),
  because: Short.optional().describe("code of what the update waits for"),
  fallback: z
    .object({
      to: Name,
      outcome: z.enum(["failed", "void"]).describe("void: no verdict on the release; it is tried again"),
      check: Short.optional(),
    })
    .optional()
    .describe("an update from which the device returned, until somebody has acknowledged it"),
  rollout: z
    .object({
      release: Name,
      state: z.enum(["running", "paused", "finished", "nobody", "aborted"]),
      nobody: Nobody.optional().describe("why nobody takes part, by how many devices"),
      auto: Short.optional().describe("no operator ordered it: digest of the keys of the publisher's release root"),
      standing: z.string().max(16).optional().describe("of this device; absent if the rollout is not about it"),
      waits: z
        .string()
        .max(16)
        .optional()
        .describe("on what this device waits, else the rollout: wave, soak, window ..."),
      ...{ updated: z.int().min(0), failed: z.int().min(0), total: z.int().min(0) },
    })
    .optional()
    .describe("the neighborhood's rollout, as this device knows it"),
});
export type UpdatePayload = z.infer<typeof UpdatePayload>;

export type TopicName = keyof typeof topics;
/** `hamlet/<neighborhood>/<device>/<name>`; every message is retained, so that a late subscriber gets the newest. */
export const topics = {
  state: {
    payload: StatePayload,
    qos: 1,
    when: "when it connects; the last will when it is gone",
    meaning: "which device this is and whether it is online",
  },
  metrics: {
    payload: MetricsPayload,
    qos: 0,
    when: "every 10 s (`telemetry.intervalSeconds`)",
    meaning: "processor, memory, disk, temperature, traffic",
  },
  peers: {
    payload: PeersPayload,
    qos: 0,
    when: "when it connects, then on change and every minute",
    meaning: "how this device reaches each other member",
  },
  inventory: {
    payload: InventoryPayload,
    qos: 1,
    when: "when it connects, then daily",
    meaning: "the device's hardware and system",
  },
  warnings: {
    payload: WarningsPayload,
    qos: 1,
    when: "when it connects, then on change",
    meaning: "the device's warnings: code, message and next step",
  },
  update: {
    payload: UpdatePayload,
    qos: 1,
    when: "when it connects, then on change; never where no updater runs",
    meaning: "what the device runs, what is newer, and how far an update is",
  },
} as const satisfies Record<string, { payload: z.ZodType; qos: 0 | 1; when: string; meaning: string }>;

/** The broker refuses larger payloads. */
export const maxPayloadBytes = 16 << 10;
export const maxTopicBytes = 256;

export const topicRoot = "hamlet";
/** On it a broker tells the next in line of its sessions. No wildcard covers it (MQTT 3.1.1, 4.7.2), and nobody else can publish on it. */
export const sessionsTopic = "$hamlet/sessions";
export const homeAssistantRoot = "homeassistant";
export const topicOf = (neighborhood: string, device: string, name: TopicName): string =>
  `${topicRoot}/${neighborhood}/${device}/${name}`;

/** The device and the name in a topic of this neighborhood, or undefined. */
export function parseTopic(neighborhood: string, topic: string): { device: string; name: TopicName } | undefined {
  const [root, owner, device, name, ...more] = topic.split("/");
  if (root !== topicRoot || owner !== neighborhood || !device || !name || more.length > 0) return undefined;
  return Object.hasOwn(topics, name) ? { device, name: name as TopicName } : undefined;
}

/** Whether `topic` belongs to `device`: it is below the device's topic, or its announcement to Home Assistant. */
export function isOwnTopic(neighborhood: string, device: string, topic: string): boolean {
  if (topic.startsWith(`${topicRoot}/${neighborhood}/${device}/`)) return true;
  const [root, component, node, object, config, ...more] = topic.split("/");
  const isAnnouncement = root === homeAssistantRoot && component && node === device && object && config === "config";
  return Boolean(isAnnouncement) && more.length === 0;
}

/** The table in Markdown. A test keeps `topics.md` equal to it. */
export function topicsTable(): string {
  const rows = Object.entries(topics).map(
    ([name, { payload, qos, when, meaning }]) =>
      `| \`hamlet/<neighborhood>/<device>/${name}\` | ${qos} | ${when} | ${meaning} | ${Object.keys(payload.shape).join(", ")} |`,
  );
  return ["| topic | QoS | when | what it says | fields |", "|---|---|---|---|---|", ...rows].join("\n");
}
