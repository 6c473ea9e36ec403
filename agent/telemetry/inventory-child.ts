// Prints the device's inventory, by systeminformation, as one JSON document on stdout. It is a separate program because
// systeminformation blocks the event loop for half a second and would be a third of the agent's bundle.
import { constants, setPriority } from "node:os";
import si from "systeminformation";
import type { InventoryPayload } from "../../ota/fleet/topics.ts";

setPriority(constants.priority.PRIORITY_LOW);
const [system, cpu, memory, disks, links, os] = await Promise.all([
  si.system(),
  si.cpu(),
  si.mem(),
  si.diskLayout(),
  si.networkInterfaces(),
  si.osInfo(),
]);
const cut = (text: string | undefined): string => (text ?? "").trim().slice(0, 256);
// Serial numbers and hardware addresses stay on the device: no reader of telemetry needs them.
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
