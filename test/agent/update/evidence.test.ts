import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startApi } from "../../../agent/api/server.ts";
import type { Identity } from "../../../agent/identity.ts";
import type { MemberLife } from "../../../agent/life.ts";
import { phaseOf } from "../../../agent/phase.ts";
import { collectEvidence } from "../../../agent/update/evidence.ts";
import { startUpdate } from "../../../agent/update/update.ts";
import { systemClock } from "../../../system/clock.ts";
import { silentLog } from "../../../system/log.ts";
import { fakeUpdater } from "./updater.ts";

const life = {
  isPending: () => false,
  evidence: () => ({ handshakes: ["b"], alive: ["b", "c"], telemetry: "down" }),
} as unknown as MemberLife;

async function withPage<T>(answer: RequestListener, use: (port: number) => Promise<T>): Promise<T> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    return await use(port);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

test("a member's evidence names whom it reaches, and that its page answers", async () => {
  const answer: RequestListener = (_, response) => response.end("{}");
  const evidence = await withPage(answer, (port) => collectEvidence(phaseOf({} as Identity, life), port));
  expect(evidence).toEqual({
    ...{ phase: "member", hasPage: true, hasMesh: true },
    ...{ handshakes: ["b"], alive: ["b", "c"], telemetry: "down" },
  });
});

test("a page that fails or does not listen is missing", async () => {
  const unprovisioned = phaseOf(undefined, undefined);
  const failing: RequestListener = (_, response) => response.writeHead(503).end();
  expect(await withPage(failing, (port) => collectEvidence(unprovisioned, port))).toMatchObject({ hasPage: false });
  const closed = await withPage(failing, async (port) => port);
  expect(await collectEvidence(unprovisioned, closed)).toEqual({
    ...{ phase: "unprovisioned", hasPage: false, hasMesh: false },
    ...{ handshakes: [], alive: [], telemetry: "none" },
  });
});

test("a page that its owner has turned off is not missing", async () => {
  expect(await collectEvidence(phaseOf(undefined, undefined), 0)).toMatchObject({ hasPage: true });
});

test("a member whose mesh does not start has none, though it has an identity", async () => {
  expect(await collectEvidence(phaseOf({} as Identity, undefined), 0)).toMatchObject({
    phase: "pending",
    hasMesh: false,
  });
});

test("the evidence says how long the owner lets a trial take", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-evidence-"));
  const update = await startUpdate({
    ...{ board: "nuc", slots: [] },
    repositories: [],
    settings: { metered: false, verdictSeconds: 240 },
    stateFolder: folder,
    evidence: () => collectEvidence(phaseOf(undefined, undefined), 0),
    warnings: { raise() {}, clear() {} },
    clock: systemClock,
    hasUpdater: false,
    log: silentLog,
  });
  const socket = join(folder, "agent.sock");
  const api = await startApi(
    socket,
    update.serve((_, response) => response.end()),
  );
  const updater = fakeUpdater(socket);
  expect(await updater.evidence()).toMatchObject({ hasPage: true, verdictSeconds: 240 });
  updater.stop();
  await update.stop();
  await api.stop();
  await rm(folder, { recursive: true });
});
