// Reads what the kernel has of the wanted interfaces and routes: the `Current` of plan.ts.
import { z } from "zod";
import { canonicalIpv6, canonicalPrefix } from "../../system/address.ts";
import type { Run } from "../../system/command.ts";
import { HamletError } from "../../system/error.ts";
import { parseJson } from "../../system/files.ts";
import type { Current, CurrentInterface, Route } from "./plan.ts";
import { parseDump } from "./status.ts";

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

/** Throws `mesh.failed` if an interface has one of the wanted names and is not WireGuard. */
export async function readCurrent(
  run: Run,
  wanted: readonly { name: string; routes: readonly string[] }[],
): Promise<Current> {
  const prefixes = new Set(wanted.flatMap(({ routes }) => routes));
  const routes: Route[] = [];
  for (const prefix of prefixes) routes.push(...(await readRoutes(run, prefix)));
  // All links, because `ip` fails when asked for one that is missing, as it does for any other reason.
  const links = await ask(run, ["ip", "-json", "-details", "address", "show"], Links);
  const interfaces = new Map<string, CurrentInterface>();
  for (const { name } of wanted) {
    const found = links.find(({ ifname }) => ifname === name);
    if (found) interfaces.set(name, await readInterface(run, found));
  }
  return { interfaces, routes };
}

async function readInterface(run: Run, found: z.infer<typeof Links>[number]): Promise<CurrentInterface> {
  const { ifname: link } = found;
  const kind = found.linkinfo?.info_kind ?? "";
  if (kind !== "wireguard" && kind !== "tun") {
    throw new HamletError(
      "mesh.failed",
      `there is an interface ${link} that is not WireGuard (${kind || "unknown kind"})`,
      {
        hint: `name another one in mesh.interface, or rename or remove it: ip link show ${link}`,
      },
    );
  }
  const addresses = found.addr_info
    .filter(({ family }) => family === "inet6")
    .map(({ local, prefixlen }) => `${canonicalIpv6(local) ?? local}/${prefixlen}`);
  const device = parseDump(await run(["wg", "show", link, "dump"]));
  return {
    kind,
    mtu: found.mtu,
    isUp: found.flags.includes("UP"),
    ...(device.publicKey !== undefined && { publicKey: device.publicKey }),
    listenPort: device.listenPort,
    addresses,
    peers: device.peers,
  };
}

async function readRoutes(run: Run, prefix: string): Promise<Route[]> {
  const rows = await ask(run, ["ip", "-json", "-6", "route", "show", "root", prefix], Routes);
  return rows.flatMap(({ type, dst, dev, metric }) =>
    (type === "unicast" || type === "unreachable") && canonicalPrefix(dst) === prefix
      ? [{ type, prefix, device: dev, metric }]
      : [],
  );
}

async function ask<T extends z.ZodType>(run: Run, argv: Parameters<Run>[0], schema: T): Promise<z.infer<T>> {
  const text = await run(argv);
  const parsed = schema.safeParse(text.trim() === "" ? [] : parseJson(text));
  if (parsed.success) return parsed.data;
  throw new HamletError("mesh.failed", `${argv.join(" ")} printed something unexpected`, {
    hint: "iproute2 4.12 or newer is needed for JSON output",
    cause: parsed.error,
  });
}
