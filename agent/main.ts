// The agent: config -> identity -> parts -> start, stop. Composition only.
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { makePageHandler } from "../dashboard/api.ts";
import { generateSigningKey } from "../provisioning/keys.ts";
import { adoptionCode, deviceIdOf } from "../provisioning/names.ts";
import { systemClock } from "../system/clock.ts";
import { describeError, HamletError } from "../system/error.ts";
import { readJson } from "../system/files.ts";
import { makeLog } from "../system/log.ts";
import { startApi } from "./api.ts";
import { overlayConfig, readConfig } from "./config.ts";
import { startDoorstep } from "./discovery/doorstep.ts";
import { Warnings } from "./health/warnings.ts";
import { type Identity, loadIdentity } from "./identity.ts";
import { type MemberLife, startMember } from "./member.ts";
import type { PublicStatus, Status } from "./status.ts";
import { inventoryFlag, runInventoryChild } from "./telemetry/inventory.ts";

const log = makeLog("agent");
/** What the root one-shot of the first boot could not do; it removes the file once things are right. */
const FirstbootReport = z.object({ code: z.string(), message: z.string(), hint: z.string().optional() });

if (process.argv.includes(inventoryFlag)) await runInventoryChild();
else await main().catch(die);

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { config: { type: "string", default: process.env["HAMLET_CONFIG"] ?? "/etc/hamlet/agent.json" } },
  });
  const clock = systemClock;
  const warnings = new Warnings(clock, log);
  const base = await readConfig(values.config);
  const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => randomUUID())).trim();
  const device = { board: base.board, release: base.release, bootId, stateFolder: base.stateFolder };

  let identity: Identity | undefined;
  try {
    identity = await loadIdentity(device, base.provisionFile ?? join(base.stateFolder, "provision.json"), base.name);
  } catch (error) {
    // Wrong board, cut off, foreign: the device stays up and tells why, on its page and console.
    if (!(error instanceof HamletError)) throw error;
    warnings.raise(
      "waiting.unprovisioned",
      error.message,
      error.hint ?? "run hamlet provision on its image or card again",
    );
  }
  if (!identity && warnings.list().length === 0) {
    warnings.raise(
      "waiting.unprovisioned",
      "this device belongs to no neighborhood yet",
      "run hamlet provision on its image or card, then start it again",
    );
  }
  const report = await readJson(join(base.stateFolder, "firstboot.json"), FirstbootReport).catch(() => undefined);
  if (report)
    warnings.raise(
      "firstboot.failed",
      `${report.code}: ${report.message}`,
      report.hint ?? "provision the device again",
    );
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
        ...report,
        warnings: warnings.list(),
      };
    },
    publicStatus(): PublicStatus {
      const { id: _, ...open } = self();
      // Only warnings about this device itself: none that names another.
      const own = warnings.list().filter(({ code }) => !code.startsWith("member.") && !code.startsWith("record."));
      const phase = identity ? "member" : "unprovisioned";
      return { v: 1, phase, ...open, warnings: own.map(({ code, message, hint }) => ({ code, message, hint })) };
    },
  };

  const full = makePageHandler(source, "full");
  const open = makePageHandler(source, "public");
  // What came to the mesh address came through the mesh: the guard lets nothing else in.
  const page: typeof full = Object.assign(
    (...[request, response]: Parameters<typeof full>) =>
      (request.socket.localAddress === identity?.address ? full : open)(request, response),
    { close() {} },
  );
  const api = await startApi(join(config.runtimeFolder, "agent.sock"), full);
  const ended: (() => Promise<unknown>)[] = [() => api.stop()];
  if (identity) {
    life = await startMember({ config, identity, clock, warnings, page });
    ended.push(life.stop);
  } else if (config.link.pagePort) {
    const refuse = async () => {
      throw new HamletError("hello.refused", "this device belongs to no neighborhood yet");
    };
    const doorstep = await startDoorstep({ ports: [config.link.pagePort], onHello: refuse, page, log, warnings });
    ended.push(() => doorstep.stop());
  }

  let stopping = false;
  const stop = async () => {
    if (stopping) return;
    stopping = true;
    // Whatever hangs, systemd and people do not wait for.
    setTimeout(() => process.exit(1), 5_000).unref();
    full.close();
    open.close();
    for (const end of ended.reverse()) await end().catch((error) => log.warn(describeError(error)));
    process.exit(0);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.on("uncaughtException", (error) => log.error(`unexpected: ${error.stack ?? error}`));
  process.on("unhandledRejection", (error) => log.error(`unexpected: ${describeError(error)}`));
}

function die(error: unknown): never {
  log.error(describeError(error));
  process.exit(1);
}
