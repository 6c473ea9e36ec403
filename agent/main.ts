// The agent: config -> identity -> parts -> start, stop. Composition only.
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { makePageHandler } from "../dashboard/api/handler.ts";
import { internalDisk } from "../image/install/available.ts";
import { agentFilesIn, resetFilesFor } from "../provisioning/handover/agent-files.ts";
import { readProblems } from "../provisioning/handover/problems.ts";
import { provisionAgain } from "../provisioning/neighborhood/provision-device.ts";
import { generateSigningKey } from "../provisioning/trust/keys.ts";
import { deviceIdOf } from "../provisioning/trust/names.ts";
import { sleep, systemClock } from "../system/clock.ts";
import { settingOf } from "../system/environment.ts";
import { describeError, HamletError } from "../system/error.ts";
import { makeLog } from "../system/log.ts";
import { backoffMs } from "../system/retry.ts";
import { makeAnswer } from "./api/answers.ts";
import { makeAskedReset } from "./api/asked-reset.ts";
import { makeOwnStatus } from "./api/own-status.ts";
import { actionsOf, serveRequests } from "./api/requests.ts";
import { startApi } from "./api/server.ts";
import { type AgentConfig, fixedIn, overlayConfig, readConfig } from "./config.ts";
import type { ServePage } from "./discovery/door.ts";
import { notLinks, readLinks } from "./discovery/links.ts";
import { makePublicDoor } from "./discovery/public-door.ts";
import { offerInternalDisk, warnOfBadConfig, warnOfNoIdentity, warnOfProblems } from "./health/at-start.ts";
import { warnOfDamage } from "./health/damage.ts";
import { watchNetwork } from "./health/network-watch.ts";
import { addressesOf, startNotices } from "./health/notices.ts";
import { publicOf } from "./health/public.ts";
import { Warnings } from "./health/warnings.ts";
import { watchWifi } from "./health/wifi-watch.ts";
import { type Identity, loadIdentity } from "./identity.ts";
import { type MemberLife, startMember } from "./life.ts";
import { phaseOf } from "./phase.ts";
import { findZone } from "./rollout/zone.ts";
import { noUpdater } from "./update/desk.ts";
import { collectEvidence } from "./update/evidence.ts";
import { findRepositories } from "./update/repositories.ts";
import { startUpdate } from "./update/update.ts";

const log = makeLog("agent");
const clock = systemClock;
const warnings = new Warnings(clock, log);

await main().catch(die);

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { config: { type: "string" } } });
  const named = values.config ?? settingOf(process.env, "HAMLET_CONFIG");
  const zone = process.env["TZ"] || (await findZone());
  if (zone !== undefined) process.env["TZ"] = zone;
  const base = await readConfig(named ?? "/etc/hamlet/agent.json", { isNamed: named !== undefined });
  const files = agentFilesIn(base.stateFolder);
  const isImage = existsSync("/run/hamlet-disk");
  const identity = await identify(base, isImage);
  // The roster has them too, but it is read only once the mesh starts.
  for (const damage of identity?.damages ?? []) warnOfDamage(warnings, damage);
  const config = configOf(base, identity);
  const problems = await readProblems(files.problems);
  warnOfProblems(warnings, problems);
  // A device that has moved must not be overwritten from the stick that it left.
  const hasMoved = problems.some(({ code }) => code === "install.moved" || code === "install.unclear");
  const findInternalDisk = async () => (hasMoved ? undefined : internalDisk("/run/hamlet-disk", "/sys"));
  const disk = await findInternalDisk().catch(() => undefined);
  if (disk) offerInternalDisk(warnings, disk);

  const startedAt = clock.monotonic();
  const deviceKey = identity?.deviceKey ?? generateSigningKey().publicKey;
  let life: MemberLife | undefined;
  const publicWarnings = () => publicOf(warnings.list());
  const update = await startUpdate({
    repositories: await findRepositories(config.update.repositories).catch((error) => {
      log.warn(describeError(error));
      return [];
    }),
    settings: config.update,
    hasUpdater: isImage,
    board: config.board,
    slots: isImage ? ["/run/hamlet-disk/root-a", "/run/hamlet-disk/root-b"] : [],
    stateFolder: config.stateFolder,
    log: makeLog("update"),
    evidence: (request) => collectEvidence(phaseOf(identity, life), config.link.pagePort, request),
    warnings,
    clock,
  });
  const source = makeOwnStatus({
    deviceKey,
    board: config.board,
    release: config.release,
    fallbackName: base.name ?? base.board,
    phase: () => phaseOf(identity, life),
    internalDisk: disk,
    update: update.report,
    warnings: () => warnings.list(),
    publicWarnings,
    uptimeS: () => (clock.monotonic() - startedAt) / 1000,
  });
  const noticing = startNotices({
    folder: config.runtimeFolder,
    read: () => ({
      status: source.publicStatus(),
      warnings: publicWarnings(),
      waiting: life?.waiting() ?? [],
      neighborhood: identity?.neighborhoodName,
      addresses: addressesOf(readLinks(config.link.interfaces)),
      pagePort: config.link.pagePort,
    }),
    monotonic: clock.monotonic,
    log,
  });
  const watching = watchNetwork({
    ...{ warnings, clock, log },
    hasNetwork: () => readLinks(config.link.interfaces).length > 0,
    notLinks: () => notLinks(config.link.interfaces ?? []),
  });
  const listening = watchWifi({ warnings, clock, log, command: () => provisionAgain(source.publicStatus().name) });

  const full = makePageHandler(source, "full");
  const open = makePageHandler(source, "public");
  // A request to the mesh address came through the mesh: the guard drops all others.
  const page: ServePage = (request, response) => {
    const { localAddress, localPort } = request.socket;
    const isMesh = localAddress === identity?.address && localPort === config.link.pagePort;
    (isMesh ? full : open)(request, response);
  };
  const { stateFolder, runtimeFolder } = config;
  const device = {
    ...{ id: deviceIdOf(deviceKey), life: () => life, stateFolder, isImage, internalDisk: findInternalDisk },
    update: update.ask,
    updateActivity: () => update.report()?.activity,
  };
  const api = await startApi(join(runtimeFolder, "agent.sock"), serveRequests(device, update.serve(full)));
  const actions = actionsOf(device);
  const answer = makeAnswer({
    status: () => source.status(),
    async updateReport() {
      const report = update.report();
      if (!report) throw noUpdater();
      return report;
    },
    rename: actions["/v1/rename"],
    update: actions["/v1/update"],
    ...makeAskedReset(device, resetFilesFor(runtimeFolder)),
  });
  const door = makePublicDoor({ port: config.link.pagePort, page, log, warnings });
  const stopping = new AbortController();
  const stop = async () => {
    if (stopping.signal.aborted) return;
    stopping.abort();
    // A part that hangs must not hold up systemd or a user.
    setTimeout(() => process.exit(1), 5_000).unref();
    noticing.stop();
    listening.stop();
    watching.stop();
    await update.stop();
    full.close();
    open.close();
    await life?.stop();
    await door.close();
    await api.stop().catch((error) => log.warn(describeError(error)));
    process.exit(0);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.on("uncaughtException", (error) => log.error(`unexpected: ${error.stack ?? error}`));
  process.on("unhandledRejection", (error) => log.error(`unexpected: ${describeError(error)}`));

  // If a port is taken or a tool is missing, the device stays up, shows why on its page, and tries again.
  for (let failures = 0; identity && !life && !stopping.signal.aborted; failures++) {
    await door.close();
    try {
      const { report: updateReport, ask: askUpdater, swarm } = update;
      const updating = { updateReport, askUpdater, hasUpdater: isImage, zone, swarm };
      life = await startMember({ config, identity, clock, warnings, page, answer, ...updating });
      warnings.clear("start.failed");
    } catch (error) {
      const hint = error instanceof HamletError ? error.hint : undefined;
      warnings.raise("start.failed", `the mesh does not start: ${describeError(error)}`, hint ?? "see the agent's log");
      await door.open();
      const waitMs = backoffMs({ firstMs: 2_000, longestMs: 60_000 }, failures, Math.random());
      await sleep(waitMs, stopping.signal).catch(() => {});
    }
  }
  if (!identity) await door.open();
}

/** Undefined if the device has no valid identity: it stays up and shows why on its page and console. */
async function identify(base: AgentConfig, isImage: boolean): Promise<Identity | undefined> {
  const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => randomUUID())).trim();
  const { board, release, stateFolder } = base;
  // The hostname of a device from an image is its name.
  const device = { board, release, bootId, stateFolder, lastName: isImage ? hostname() : undefined };
  try {
    const provisionPath = base.provisionFile ?? agentFilesIn(stateFolder).provision;
    const identity = await loadIdentity(device, provisionPath, base.name, log);
    if (!identity) warnOfNoIdentity(warnings, undefined);
    return identity;
  } catch (error) {
    if (!(error instanceof HamletError)) throw error;
    warnOfNoIdentity(warnings, error);
    return undefined;
  }
}

function configOf(base: AgentConfig, identity: Identity | undefined): AgentConfig {
  const part = identity?.provision.config;
  const idle = fixedIn(part);
  if (idle.length > 0) {
    const message = `the provision file's config cannot set ${idle.join(", ")}`;
    warnings.raise("config.invalid", message, "the name is set by hamlet rename, the rest by the image", "fixed");
  }
  try {
    return overlayConfig(base, part);
  } catch (error) {
    if (!(error instanceof HamletError)) throw error;
    warnOfBadConfig(warnings, error);
    return base;
  }
}

function die(error: unknown): never {
  log.error(describeError(error));
  process.exit(1);
}
