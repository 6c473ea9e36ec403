// Declares every setting of the agent once: type, default, unit, meaning. The file is JSON; missing settings get their defaults.
import { z } from "zod";
import { VerdictSeconds, verdictSeconds } from "../provisioning/handover/update.ts";
import { DeviceName } from "../provisioning/trust/fields.ts";
import { HamletError } from "../system/error.ts";
import { explainIssues } from "../system/files.ts";
import { readJsonFile } from "../system/json-file.ts";
import { portClashes } from "./ports.ts";
import { parseBrokerUrl } from "./telemetry/broker-url.ts";
import { windowPattern } from "./update/policy.ts";
import { RepositoryUrl } from "./update/repositories.ts";

const Port = z.int().min(1).max(65535);

const Settings = z.strictObject({
  name: DeviceName.optional().describe(
    "the device's name, a DNS label; by default the provision file's name, or else the board and the end of the device's id",
  ),
  board: z.string().default("nuc").describe("nuc, rpi3, rpi4, rpi5 or virt-arm64"),
  release: z.string().default("0.0.0").describe("version of the system that this agent belongs to"),
  stateFolder: z
    .string()
    .default("/var/lib/hamlet/agent")
    .describe("identity, records, journals; only the agent may read it"),
  runtimeFolder: z.string().default("/run/hamlet").describe("API socket; cleared at every boot"),
  provisionFile: z
    .string()
    .optional()
    .describe("path of the provision file; by default provision.json in the state folder"),
  seeds: z.array(z.string()).default([]).describe("host:port of neighbors that multicast does not reach"),
  link: z
    .strictObject({
      helloPort: Port.default(7780).describe("TCP port for hello"),
      pagePort: z
        .int()
        .min(0)
        .max(65535)
        .default(80)
        .describe("TCP port of the public page and, on the mesh, of the full page; 0 turns both off"),
      interfaces: z
        .array(z.string())
        .optional()
        .describe("links on which to look for neighbors; by default all except tunnels and loopback"),
    })
    .prefault({}),
  mesh: z
    .strictObject({
      interface: z
        .string()
        .regex(/^[a-z0-9]{1,15}$/)
        .default("hamlet0")
        .describe("name of the WireGuard interface"),
      listenPort: Port.default(51820).describe("UDP port for WireGuard"),
      mtu: z.int().min(1280).max(9000).default(1420).describe("MTU of the mesh in bytes"),
      keepaliveSeconds: z
        .int()
        .min(0)
        .max(65535)
        .default(25)
        .describe("0 turns keepalives off; 25 holds most home NATs open"),
      guard: z.boolean().default(true).describe("nftables rules that make a mesh source address a proof of identity"),
      dnsPort: z
        .int()
        .min(0)
        .max(65535)
        .default(5354)
        .describe("UDP port on 127.0.0.1 that resolves <name>.hamlet.internal; 0 turns it off"),
    })
    .prefault({}),
  cluster: z
    .strictObject({ port: Port.default(7946).describe("UDP and TCP port of gossip, on the mesh only") })
    .prefault({}),
  telemetry: z
    .strictObject({
      port: Port.default(1883).describe("TCP port of the neighborhood's broker, on the mesh only"),
      broker: z
        .string()
        .superRefine((text, context) => {
          const broker = parseBrokerUrl(text);
          if (typeof broker === "string") context.addIssue({ code: "custom", message: broker });
        })
        .optional()
        .describe(
          "URL of an external broker that replaces the neighborhood's own: mqtts:// (verified TLS, port 8883) or mqtt:// (port 1883, everything in clear, even the password)",
        )
        // JSON Schema cannot express the check above, only this part of it.
        .meta({ pattern: "^mqtts?://[^/?#]+/?$" }),
      intervalSeconds: z.int().min(1).max(3600).default(10).describe("seconds between two metrics messages"),
      homeAssistant: z.boolean().default(true).describe("publish MQTT discovery topics for Home Assistant"),
    })
    .prefault({}),
  tuning: z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .describe("tune the kernel's network settings; false leaves the kernel exactly as it was"),
    })
    .prefault({}),
  update: z
    .strictObject({
      repositories: z
        .array(RepositoryUrl)
        .optional()
        .describe("URLs of update repositories, tried in order; by default those that the image was built with"),
      rate: z.int().min(64).max(10_000_000).optional().describe("kbit/s that updates may use; by default all"),
      window: z
        .string()
        .regex(windowPattern)
        .optional()
        .describe("time of day, as 02:00-05:30 by the device's clock, in which releases are fetched; by default any"),
      auto: z
        .boolean()
        .default(true)
        .describe(
          "false: in a neighborhood without an operator this device takes no release by itself, although its publisher lets homes take it",
        ),
      metered: z
        .boolean()
        .default(false)
        .describe("true: the line is metered, so releases are fetched only by `hamlet update now`"),
      maxBytes: z
        .int()
        .min(0)
        .optional()
        .describe("bytes that an update may fetch unless somebody asks for it by `hamlet update now`; by default any"),
      lendPort: Port.default(7947).describe("TCP port where members lend each other releases, on the mesh only"),
      verdictSeconds: VerdictSeconds.default(verdictSeconds.usual).describe(
        "how long a new release may take to show that it works, before the device returns to the one before",
      ),
    })
    .prefault({}),
});
export const AgentConfig = Settings.superRefine((config, context) => {
  for (const { path, message } of portClashes(config)) context.addIssue({ code: "custom", path, message });
});
export type AgentConfig = z.infer<typeof AgentConfig>;

/**
 * Reads the config in `path`; without a file, all settings have their defaults, unless somebody `isNamed` it. Throws `config.invalid`, which names each bad key
 * or the position of a syntax error.
 */
export async function readConfig(path: string, { isNamed = false } = {}): Promise<AgentConfig> {
  const json = await readJsonFile(path, { isUnique: true }).catch((cause: unknown) => {
    if (!(cause instanceof HamletError)) throw cause;
    const hint =
      cause.code === "file.invalid" ? "correct it in an editor, or remove the file to use the defaults" : cause.hint;
    throw new HamletError("config.invalid", cause.message, { ...(hint !== undefined && { hint }) });
  });
  if (json === undefined && isNamed)
    throw new HamletError("config.invalid", `${path} does not exist`, { hint: "check --config or HAMLET_CONFIG" });
  const parsed = AgentConfig.safeParse(json ?? {});
  if (parsed.success) return parsed.data;
  throw new HamletError("config.invalid", `${path}: ${explainIssues(parsed.error)}`, {
    hint: "correct these keys, or remove them to use the defaults",
  });
}

/** What the image or the machine says, and a provision file cannot change. */
const fixed = ["name", "board", "release", "stateFolder", "runtimeFolder", "provisionFile"] as const;

/** Settings in the provision file's part that have no effect. */
export const fixedIn = (part: unknown): string[] => (isPlain(part) ? fixed.filter((key) => key in part) : []);

/** Overlays `config` with the provision file's part. Throws `config.invalid`. */
export function overlayConfig(config: AgentConfig, part: unknown): AgentConfig {
  const kept = Object.fromEntries(fixed.map((key) => [key, config[key]]));
  const merged = AgentConfig.safeParse({ ...Object(merge(config, part ?? {})), ...kept });
  if (merged.success) return merged.data;
  throw new HamletError("config.invalid", `the provision file's config: ${explainIssues(merged.error)}`, {
    hint: "provision the device again with a valid config",
  });
}

function merge(base: unknown, over: unknown): unknown {
  if (!isPlain(base) || !isPlain(over)) return over;
  return { ...base, ...Object.fromEntries(Object.entries(over).map(([key, value]) => [key, merge(base[key], value)])) };
}

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
