// What this device measures, tunes and reports, each with its share of the settings.
import { join } from "node:path";
import type { RolloutStatus } from "../../ota/rollout/report.ts";
import { agentFilesIn } from "../../provisioning/handover/agent-files.ts";
import { run } from "../../system/command.ts";
import { makeLog } from "../../system/log.ts";
import type { Journal } from "../kernel/journal.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Membership } from "../membership/membership.ts";
import { BrokerHost } from "../telemetry/broker-host.ts";
import { collectInventory } from "../telemetry/inventory.ts";
import { rolloutOf, updateOf } from "../telemetry/messages.ts";
import { startTelemetry, type Telemetry, type TelemetryOptions } from "../telemetry/publisher.ts";
import { makeSampler } from "../telemetry/sampler.ts";
import { SessionFile } from "../telemetry/session-file.ts";
import { importOldJournal } from "../tuning/old-journal.ts";
import { startTuning, type Tuning } from "../tuning/tuning.ts";
import type { Scope } from "./scope.ts";

/** How long a device looks for others before it hosts a broker for itself alone: two that meet need one. */
const lookMs = 10_000;

/** The broker that one member hosts, and this device's reports to it. */
export function startReports(
  { config, identity, clock, warnings, updateReport, ended }: Scope,
  {
    membership,
    alive,
    peers,
    rollout,
  }: {
    membership: Membership;
    alive(): string[];
    peers: TelemetryOptions["peers"];
    rollout(): RolloutStatus | undefined;
  },
): { broker: BrokerHost; telemetry: Telemetry } {
  const { id, address } = identity;
  const neighborhood = identity.neighborhood.id;
  const startedMs = clock.monotonic();
  const broker = new BrokerHost({
    self: { id, neighborhood, address },
    port: config.telemetry.port,
    external: config.telemetry.broker,
    alive,
    hasLooked: () => clock.monotonic() - startedMs >= lookMs,
    addressOf: (member) => membership.members().get(member)?.address,
    idOf: (source) => [...membership.members().values()].find((member) => member.address === source)?.record.id,
    log: makeLog("broker"),
    warnings,
    sessionFile: new SessionFile(agentFilesIn(config.stateFolder).sessions, makeLog("broker")),
  });
  ended.push(() => broker.stop());
  const sampler = makeSampler({ clock, dataFolder: config.stateFolder, meshInterface: config.mesh.interface });
  const telemetry = startTelemetry({
    self: { id, neighborhood, name: () => identity.name, board: config.board, release: config.release, address },
    brokerAddress: () => broker.address(),
    port: config.telemetry.port,
    sample: () => sampler.sample(),
    peers,
    inventory: () => collectInventory(run),
    update() {
      const report = updateReport();
      const status = rollout();
      return report && updateOf(report, status && rolloutOf(status, id));
    },
    warnings,
    homeAssistant: config.telemetry.homeAssistant,
    log: makeLog("telemetry"),
    clock,
    intervalMs: config.telemetry.intervalSeconds * 1000,
  });
  ended.push(() => telemetry.stop());
  return { broker, telemetry };
}

export async function tune({ config, warnings, ended }: Scope, journal: Journal, kernel: Kernel): Promise<Tuning> {
  const log = makeLog("tuning");
  await importOldJournal(join(config.stateFolder, "tuning.json"), journal, { warnings, log });
  const tuning = await startTuning({
    profile: config.tuning.enabled ? "auto" : "off",
    journal,
    sysctls: kernel.sysctls,
    log,
    warnings,
  });
  ended.push(() => tuning.stop());
  return tuning;
}
