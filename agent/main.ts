// The agent: config -> identity -> parts -> start, stop. Composition only.
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { makePageHandler } from "../dashboard/api/handler.ts";
import { internalDisk } from "../image/install/available.ts";
import { agentFilesIn } from "../provisioning/handover/agent-files.ts";
import { readProblems } from "../provisioning/handover/problems.ts";
import { provisionAgain } from "../provisioning/neighborhood/provision-device.ts";
import { generateSigningKey } from "../provisioning/trust/keys.ts";
import { adoptionCode, deviceIdOf } from "../provisioning/trust/names.ts";
import { sleep, systemClock } from "../system/clock.ts";
import { settingOf } from "../system/environment.ts";
import { describeError, HamletError } from "../system/error.ts";
import { makeLog } from "../system/log.ts";
import { serveRequests } from "./api/requests.ts";
import type { PublicStatus, Status } from "./api/schema.ts";
import { startApi } from "./api/server.ts";
import { overlayConfig, readConfig } from "./config.ts";
import { type Doorstep, type ServePage, startDoorstep } from "./discovery/doorstep.ts";
import { readLinks } from "./discovery/links.ts";
import { warnOfDamage } from "./health/damage.ts";
import { addressesOf, startNotices } from "./health/notices.ts";
import { type WarningCode, Warnings } from "./health/warnings.ts";
import { watchWifi } from "./health/wifi-watch.ts";
import { type Identity, loadIdentity } from "./identity.ts";
import { type MemberLife, startMember } from "./life.ts";

const log = makeLog("agent");
/** Warnings about this device alone, which name no other and no address: for strangers to see. */
const publicWarnings = new Set<WarningCode>([
  "clock.behind",
  "discovery.multicastBlocked",
  "firstboot.failed",
  "install.available",
  "mesh.userspace",
  "names.unavailable",
  "port.taken",
  "start.failed",
  "state.damaged",
  "state.full",
  "token.expired",
  "waiting.pending",
  "waiting.unprovisioned",
  "wifi.notFound",
  "wifi.refused",
  "wifi.wrongPassword",
]);

await main().catch(die);

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      config: { type: "string", default: settingOf(process.env, "HAMLET_CONFIG") ?? "/etc/hamlet/agent.json" },
    },
  });
  const clock = systemClock;
  const warnings = new Warnings(clock, log);
  const base = await readConfig(values.config);
  const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => randomUUID())).trim();
  // On a device the hostname is its name.
  const lastName = existsSync("/run/hamlet-disk") ? hostname() : undefined;
  const device = { board: base.board, release: base.release, bootId, stateFolder: base.stateFolder, lastName };

  const files = agentFilesIn(base.stateFolder);

  let identity: Identity | undefined;
  try {
    identity = await loadIdentity(device, base.provisionFile ?? files.provision, base.name);
  } catch (error) {
    // Wrong board, cut off, foreign: the device stays up and tells why, on its page and console.
    if (!(error instanceof HamletError)) throw error;
    warnings.raise("waiting.unprovisioned", error.message, error.hint ?? provisionAgain("<name>"));
  }
  // The roster tells them too; it is read only once the mesh starts.
  for (const damage of identity?.damages ?? []) warnOfDamage(warnings, damage);
  if (!identity && warnings.list().length === 0) {
    warnings.raise("waiting.unprovisioned", "this device belongs to no neighborhood yet", provisionAgain("<name>"));
  }
  const problems = await readProblems(files.problems);
  for (const { code, message, hint, since } of problems)
    warnings.raise("firstboot.failed", `${code}: ${message}`, hint, { subject: code, since });
  // The stick that a device has left must not write over where it lives now.
  const hasMoved = problems.some(({ code }) => code === "install.moved" || code === "install.unclear");
  const findInternalDisk = async () => (hasMoved ? undefined : internalDisk("/run/hamlet-disk", "/sys"));
  const disk = await findInternalDisk().catch(() => undefined);
  if (disk) {
    const what = `${disk.path}, ${Math.floor(disk.sizeBytes / 1e9)} GB`;
    warnings.raise(
      "install.available",
      `this device runs from its USB stick; the disk inside it (${what}) could take it`,
      "as root on this device: hamlet install, or with a button: hamlet open",
    );
  }
  let config = base;
  try {
    config = overlayConfig(base, identity?.provision.config);
  } catch (error) {
    if (!(error instanceof HamletError)) throw error;
    warnings.raise("config.invalid", error.message, error.hint ?? "provision the device again");
  }

  const startedAt = clock.monotonic();
  const deviceKey = identity?.deviceKey ?? generateSigningKey().publicKey;
  let life: MemberLife | undefined;
  const self = () => ({
    id: deviceIdOf(deviceKey),
    name: identity?.name ?? base.name ?? base.board,
    board: config.board,
    release: config.release,
    code: adoptionCode(deviceKey),
  });
  const source = {
    async status(): Promise<Status> {
      const report = await life?.report();
      return {
        v: 1,
        phase: identity ? "pending" : "unprovisioned",
        ...(identity && { neighborhood: { id: identity.neighborhood.id, name: identity.neighborhoodName } }),
        self: {
          ...self(),
          ...(identity && { address: identity.address }),
          uptimeS: (clock.monotonic() - startedAt) / 1000,
        },
        members: [],
        pending: [],
        neighbors: [],
        tuning: [],
        ...(disk && { internalDisk: disk }),
        ...report,
        warnings: warnings.list(),
      };
    },
    publicStatus(): PublicStatus {
      const { id: _, ...open } = self();
      const own = warnings.list().filter(({ code }) => publicWarnings.has(code));
      const phase = !identity ? "unprovisioned" : !life || life.isPending() ? "pending" : "member";
      return { v: 1, phase, ...open, warnings: own.map(({ code, message, hint }) => ({ code, message, hint })) };
    },
  };

  const noticing = startNotices({
    folder: config.runtimeFolder,
    read: () => ({
      status: source.publicStatus(),
      warnings: warnings.list().filter(({ code }) => publicWarnings.has(code)),
      neighborhood: identity?.neighborhoodName,
      addresses: addressesOf(readLinks(config.link.interfaces)),
      pagePort: config.link.pagePort,
    }),
    monotonic: clock.monotonic,
    log,
  });
  const listening = watchWifi({ warnings, clock, log, command: () => provisionAgain(self().name) });

  const full = makePageHandler(source, "full");
  const open = makePageHandler(source, "public");
  // What came to the mesh address came through the mesh: the guard lets nothing else in.
  const page: ServePage = (request, response) => {
    const { localAddress, localPort } = request.socket;
    const isMesh = localAddress === identity?.address && localPort === config.link.pagePort;
    (isMesh ? full : open)(request, response);
  };
  const answer = serveRequests(
    {
      id: deviceIdOf(deviceKey),
      life: () => life,
      stateFolder: config.stateFolder,
      isImage: existsSync("/run/hamlet-disk"),
      internalDisk: findInternalDisk,
    },
    full,
  );
  const api = await startApi(join(config.runtimeFolder, "agent.sock"), answer);
  const door = makeDoor(config.link.pagePort, page, warnings);
  const stopping = new AbortController();
  const stop = async () => {
    if (stopping.signal.aborted) return;
    stopping.abort();
    // Whatever hangs, systemd and people do not wait for.
    setTimeout(() => process.exit(1), 5_000).unref();
    noticing.stop();
    listening.stop();
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

  // A port that is taken, a tool that is missing: the device stays up, tells on its page why, and tries again.
  for (let failures = 0; identity && !life && !stopping.signal.aborted; failures++) {
    await door.close();
    try {
      life = await startMember({ config, identity, clock, warnings, page });
      warnings.clear("start.failed");
    } catch (error) {
      const hint = error instanceof HamletError ? error.hint : undefined;
      warnings.raise("start.failed", `the mesh does not start: ${describeError(error)}`, hint ?? "see the agent's log");
      await door.open();
      await sleep(Math.min(60_000, 2_000 * 2 ** failures) * (0.8 + Math.random() * 0.4), stopping.signal).catch(
        () => {},
      );
    }
  }
  if (!identity) await door.open();
}

/** The public page of a device that is no member (yet): the door that a member's life opens itself. */
function makeDoor(port: number, page: ServePage, warnings: Warnings) {
  let doorstep: Doorstep | undefined;
  const onHello = async () => {
    throw new HamletError("hello.refused", "this device is no member of a neighborhood");
  };
  return {
    async open() {
      if (port !== 0) doorstep = await startDoorstep({ ports: [port], onHello, page, log, warnings });
    },
    async close() {
      await doorstep?.stop();
      doorstep = undefined;
    },
  };
}

function die(error: unknown): never {
  log.error(describeError(error));
  process.exit(1);
}
