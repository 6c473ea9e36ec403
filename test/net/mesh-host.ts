// Test program: the mesh part of an agent alone: guard, then interface, then peers. It prints a line per step and shuts down
// cleanly on SIGTERM.
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Warnings } from "../../agent/health/warnings.ts";
import { Journal } from "../../agent/kernel/journal.ts";
import { openKernel } from "../../agent/kernel/kernel.ts";
import { startFirewall } from "../../agent/mesh/firewall.ts";
import { guardPart } from "../../agent/mesh/guard.ts";
import { startMesh } from "../../agent/mesh/mesh.ts";
import { startPaths } from "../../agent/mesh/paths.ts";
import { systemClock } from "../../system/clock.ts";
import { run } from "../../system/command.ts";
import { makeLog } from "../../system/log.ts";

export type HostPlan = {
  /** Where the journal is; a new temporary folder by default. */
  stateFolder?: string;
  prefix: string;
  guard: boolean;
  /** If absent, the program raises the guard and exits. */
  mesh?: {
    privateKey: string;
    address: string;
    peers: { name: string; wireguardKey: string; address: string; endpoints: string[] }[];
  };
};

export const meshInterface = "hamlet0";
export const agentUid = 1234;
export const privatePorts = [7946, 1883];

if (import.meta.main) await host(JSON.parse(process.argv[2] ?? "{}"));

async function host({ prefix, guard, mesh, stateFolder }: HostPlan): Promise<void> {
  const log = makeLog("host");
  const folder = stateFolder ?? (await mkdtemp(join(tmpdir(), "hamlet-host-")));
  const journal = await Journal.open(join(folder, "kernel.json"), openKernel(run), new Warnings(systemClock, log), log);
  if (guard) {
    const part = guardPart({ interface: meshInterface, prefix, agentUid, privatePorts, pagePort: 80 });
    const firewall = await startFirewall({ run, log, journal, everyMs: 200 }, [part]);
    console.log("guard up");
    if (!mesh) firewall.stop();
  }
  if (!mesh) return;
  const warnings = new Warnings(systemClock, log);
  const { privateKey, address } = mesh;
  const common = { interface: meshInterface, listenPort: 51820, mtu: 1420, userspaceFallback: true };
  const started = await startMesh({
    ...common,
    privateKey,
    address,
    prefix,
    run,
    journal,
    clock: systemClock,
    log,
    warnings,
  });
  for (const { code } of warnings.list()) console.log(`warning ${code}`);
  const links = () => [{ address: "192.168.77.0", prefixLength: 24 }];
  const paths = startPaths({ mesh: started, prefix, links, clock: systemClock, log });
  await paths.setMembers(mesh.peers.map((peer) => ({ ...peer, id: peer.name, keepaliveSeconds: 25 })));
  // Before the lines that the tests wait for: they send signals at once.
  process.on("SIGUSR1", () =>
    console.log(`explain ${JSON.stringify(mesh.peers.map(({ name }) => paths.explain(name)))}`),
  );
  process.on("SIGTERM", async () => {
    paths.stop();
    await started.stop();
    process.exit(0);
  });
  console.log("mesh up");
  console.log(`due: ${(await started.plan()) || "nothing"}`);
}
