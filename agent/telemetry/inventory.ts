// What the device is made of, by systeminformation: in a child process, because it blocks its loop for half a second.
// The child is this same program with `--inventory`: main.ts calls runInventoryChild() then and nothing else.
import { constants, setPriority } from "node:os";
import { InventoryPayload } from "../../ota/fleet/topics.ts";
import type { Run } from "../../system/command.ts";
import { HamletError } from "../../system/error.ts";
import { explainIssues, parseJson } from "../../system/files.ts";

export const inventoryFlag = "--inventory";

/** Starts the child and gives what it found. Throws the command's error or `telemetry.invalid`. */
export async function collectInventory(run: Run, entry = process.argv[1] ?? ""): Promise<InventoryPayload> {
  // 60 s: it takes 1 s on a NUC, and a Pi 3 that is busy with an update may need twenty times that.
  const answer = await run([process.execPath, entry, inventoryFlag], { timeoutMs: 60_000 });
  const parsed = InventoryPayload.safeParse(parseJson(answer));
  if (parsed.success) return parsed.data;
  throw new HamletError("telemetry.invalid", `the inventory does not fit its schema: ${explainIssues(parsed.error)}`);
}

/** The child's whole life: one JSON document on stdout. */
export async function runInventoryChild(): Promise<void> {
  setPriority(constants.priority.PRIORITY_LOW);
  // Loaded here and nowhere else, so that the agent itself never carries it.
  const { default: si } = await import("systeminformation");
  const [system, cpu, memory, disks, links, os] = await Promise.all([
    si.system(),
    si.cpu(),
    si.mem(),
    si.diskLayout(),
    si.networkInterfaces(),
    si.osInfo(),
  ]);
  // Serial numbers and hardware addresses stay on the device: nobody who reads telemetry needs them.
  const inventory: InventoryPayload = {
    v: 1,
    at: Date.now(),
    system: { manufacturer: cut(system.manufacturer), model: cut(system.model), virtual: Boolean(system.virtual) },
    cpu: { brand: cut(`${cpu.manufacturer} ${cpu.brand}`), cores: cpu.cores || 0, architecture: process.arch },
    memoryBytes: memory.total,
    disks: disks
      .slice(0, 32)
      .map(({ name, device, type, size }) => ({ name: cut(name || device), type: cut(type), sizeBytes: size || 0 })),
    links: (Array.isArray(links) ? links : [links])
      .filter(({ iface, virtual }) => iface !== "lo" && !virtual)
      .slice(0, 32)
      .map(({ iface, type, speed }) => ({
        name: cut(iface),
        type: cut(type),
        speedMbit: speed && speed > 0 ? speed : null,
      })),
    os: { distribution: cut(os.distro), release: cut(os.release), kernel: cut(os.kernel) },
    node: process.versions.node,
  };
  process.stdout.write(JSON.stringify(inventory));
}

const cut = (text: string | undefined): string => (text ?? "").trim().slice(0, 256);
