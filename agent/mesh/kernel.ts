// Reads what the kernel has for one interface and one /48: the `Current` of plan.ts.
import { z } from "zod";
import { canonicalIpv6, canonicalPrefix } from "../../system/address.ts";
import type { Run } from "../../system/command.ts";
import { HamletError } from "../../system/error.ts";
import { parseJson } from "../../system/files.ts";
import type { Current } from "./plan.ts";
import { parseDump } from "./status.ts";

// Each command answers in milliseconds; one that does not is stuck, and the queue behind it must go on.
export const timeoutMs = 5_000;

const Links = z.array(
  z.object({
    ifname: z.string(),
    mtu: z.number(),
    flags: z.array(z.string()),
    linkinfo: z.object({ info_kind: z.string().optional() }).optional(),
    addr_info: z.array(z.object({ family: z.string(), local: z.string(), prefixlen: z.number() })).default([]),
  }),
);
const Routes = z.array(
  z.object({
    type: z.string().default("unicast"),
    dst: z.string(),
    dev: z.string().default(""),
    metric: z.number().default(0),
  }),
);

export async function readCurrent(run: Run, link: string, prefix: string): Promise<Current> {
  const routes = await readRoutes(run, prefix);
  // All links, because asking for one that is not there is an error like any other.
  const found = (await ask(run, ["ip", "-json", "-details", "address", "show"], Links)).find(
    ({ ifname }) => ifname === link,
  );
  if (!found) return { routes, addresses: [], peers: [] };
  const kind = found.linkinfo?.info_kind ?? "";
  if (kind !== "wireguard" && kind !== "tun") {
    throw new HamletError(
      "mesh.failed",
      `there is an interface ${link} that is not WireGuard (${kind || "unknown kind"})`,
      {
        hint: `rename or remove it: ip link show ${link}`,
      },
    );
  }
  const addresses = found.addr_info
    .filter(({ family }) => family === "inet6")
    .map(({ local, prefixlen }) => `${canonicalIpv6(local) ?? local}/${prefixlen}`);
  const device = parseDump(await run(["wg", "show", link, "dump"], { timeoutMs }));
  return {
    link: { kind, mtu: found.mtu, isUp: found.flags.includes("UP") },
    ...(device.publicKey !== undefined && { publicKey: device.publicKey }),
    listenPort: device.listenPort,
    addresses,
    routes,
    peers: device.peers,
  };
}

async function readRoutes(run: Run, prefix: string): Promise<Current["routes"]> {
  const rows = await ask(run, ["ip", "-json", "-6", "route", "show", "root", prefix], Routes);
  return rows.flatMap(({ type, dst, dev, metric }) =>
    (type === "unicast" || type === "unreachable") && canonicalPrefix(dst) === prefix
      ? [{ type, device: dev, metric }]
      : [],
  );
}

async function ask<T extends z.ZodType>(run: Run, argv: Parameters<Run>[0], schema: T): Promise<z.infer<T>> {
  const text = await run(argv, { timeoutMs });
  const parsed = schema.safeParse(text.trim() === "" ? [] : parseJson(text));
  if (parsed.success) return parsed.data;
  throw new HamletError("mesh.failed", `${argv.join(" ")} printed something unexpected`, {
    hint: "iproute2 4.12 or newer is needed for JSON output",
    cause: parsed.error,
  });
}
