// Every setting of the agent, once: type, default, unit, meaning. The file is JSON; what is not in it has its default.
import { z } from "zod";
import { DeviceName } from "../provisioning/trust/fields.ts";
import { HamletError } from "../system/error.ts";
import { explainIssues } from "../system/files.ts";
import { readJsonFile } from "../system/json-file.ts";
import { parseBrokerUrl } from "./telemetry/broker-url.ts";

const Port = z.int().min(1).max(65535);

export const AgentConfig = z.strictObject({
  name: DeviceName.optional().describe(
    "what people call this device, a DNS label; else the provision file's name, else the board and the end of its id",
  ),
  board: z.string().default("nuc").describe("nuc, rpi3, rpi4, rpi5 or virt-arm64"),
  release: z.string().default("0.0.0").describe("version of the system this agent came with"),
  stateFolder: z.string().default("/var/lib/hamlet/agent").describe("identity, records, journals; the agent's alone"),
  runtimeFolder: z.string().default("/run/hamlet").describe("API socket; gone after a reboot"),
  provisionFile: z
    .string()
    .optional()
    .describe("the provision file's content; default provision.json in the state folder"),
  seeds: z.array(z.string()).default([]).describe("host:port of neighbors where multicast does not reach"),
  link: z
    .strictObject({
      helloPort: Port.default(7780).describe("TCP port for hello"),
      pagePort: z
        .int()
        .min(0)
        .max(65535)
        .default(80)
        .describe("TCP port of the public page and, on the mesh, of the full page; 0 serves none"),
      interfaces: z
        .array(z.string())
        .optional()
        .describe("links to meet neighbors on; default all but tunnels and loopback"),
    })
    .prefault({}),
  mesh: z
    .strictObject({
      interface: z
        .string()
        .regex(/^[a-z0-9]{1,15}$/)
        .default("hamlet0"),
      listenPort: Port.default(51820).describe("UDP port for WireGuard"),
      mtu: z.int().min(1280).max(9000).default(1420).describe("bytes"),
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
        .describe("UDP port on 127.0.0.1 for <name>.hamlet.internal; 0 serves none"),
    })
    .prefault({}),
  cluster: z.strictObject({ port: Port.default(7946).describe("UDP and TCP, on the mesh only") }).prefault({}),
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
          "mqtts:// (verified TLS, port 8883) or mqtt:// (in clear, password too, port 1883) URL of an external broker that replaces the neighborhood's own",
        )
        // For readers of the JSON Schema, which know no more than this.
        .meta({ pattern: "^mqtts?://[^/?#]+/?$" }),
      intervalSeconds: z.int().min(1).max(3600).default(10).describe("between two metrics messages"),
      homeAssistant: z.boolean().default(true).describe("publish MQTT discovery topics for Home Assistant"),
    })
    .prefault({}),
  tuning: z
    .strictObject({ enabled: z.boolean().default(true).describe("false leaves the kernel exactly as it was") })
    .prefault({}),
});
export type AgentConfig = z.infer<typeof AgentConfig>;

/** The config in `path`, all defaults if there is no such file. Throws `config.invalid` that names each bad key, or the place of a slip. */
export async function readConfig(path: string): Promise<AgentConfig> {
  const json = await readJsonFile(path, { isUnique: true }).catch((cause: unknown) => {
    if (!(cause instanceof HamletError)) throw cause;
    const hint =
      cause.code === "file.invalid" ? "mend it in an editor, or remove the file to use the defaults" : cause.hint;
    throw new HamletError("config.invalid", cause.message, { ...(hint !== undefined && { hint }) });
  });
  const parsed = AgentConfig.safeParse(json ?? {});
  if (parsed.success) return parsed.data;
  throw new HamletError("config.invalid", `${path}: ${explainIssues(parsed.error)}`, {
    hint: "correct these keys, or remove them to use the defaults",
  });
}

/** `config` with the provision file's part laid over it. Throws `config.invalid`. */
export function overlayConfig(config: AgentConfig, part: unknown): AgentConfig {
  const merged = AgentConfig.safeParse(merge(config, part ?? {}));
  if (merged.success) return merged.data;
  throw new HamletError("config.invalid", `the provision file's config: ${explainIssues(merged.error)}`, {
    hint: "provision the device again with a config that is valid",
  });
}

function merge(base: unknown, over: unknown): unknown {
  if (!isPlain(base) || !isPlain(over)) return over;
  return { ...base, ...Object.fromEntries(Object.entries(over).map(([key, value]) => [key, merge(base[key], value)])) };
}

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
