// How homes without an operator take a release by themselves is what the publisher has signed: the real updater reports it once TUF has
// verified it, and nothing that a web server, a member or an agent says.
import { hash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { autoAfter } from "../../../agent/rollout/auto.ts";
import type { RolloutPolicy } from "../../../provisioning/trust/rollout-policy.ts";
import { lacksPredecessor, predecessorSearch } from "../../predecessor.ts";
import { type Bench, makeBench } from "./bench.ts";
import { board, makeRepository } from "./repository.ts";

const rollout: RolloutPolicy = { kind: "auto", waves: ["canary", 100], soakSeconds: 43_200, successPercent: 95 };
let bench: Bench;
beforeEach(async () => {
  bench = await makeBench();
});
afterEach(() => bench.close());

type Running = Awaited<ReturnType<Bench["start"]>>;
async function check(running: Running, version: string) {
  bench.agent.ask({ kind: "check" });
  return await running.untilReport(({ newest, activity }) => newest === version && activity.phase === "idle");
}

test("the updater reports it with the release and the root that it belongs to, and a newer release that is silent ends it", async () => {
  const running = await bench.start();
  expect((await check(running, "1.0")).auto).toBeUndefined();
  bench.publish("1.1", { from: bench.first, rollout });
  const report = await check(running, "1.1");
  expect(report.auto).toEqual({ release: "1.1", policy: rollout, publisher: expect.stringMatching(/^[0-9a-f]{32}$/) });
  expect(autoAfter(report, undefined)).toEqual(report.auto);
  // Nothing is fetched or written because of it: that is for the rollout to say.
  expect(report.activity).toEqual({ phase: "idle" });
  bench.publish("1.2", { from: bench.first });
  const later = await check(running, "1.2");
  expect(later.auto).toBeUndefined();
  expect(autoAfter(later, report.auto)).toBeUndefined();
});

test("the updater reports which root the manifests name that it has verified, the newest first", async () => {
  const running = await bench.start();
  const first = { version: "1.0", rootHash: bench.first.manifest.verity.rootHash };
  expect((await check(running, "1.0")).verified).toEqual([first]);
  const { manifest } = bench.publish("1.1", { from: bench.first });
  expect((await check(running, "1.1")).verified).toEqual([
    { version: "1.1", rootHash: manifest.verity.rootHash },
    first,
  ]);
});

test.each<[string, () => void]>([
  [
    "put into the manifest on the web server",
    () => {
      bench.publish("1.1", { from: bench.first });
      for (const [path, bytes] of bench.repository.files) {
        if (!path.startsWith("targets/")) continue;
        const manifest = JSON.parse(bytes.toString());
        bench.repository.files.set(path, Buffer.from(JSON.stringify({ ...manifest, rollout })));
      }
    },
  ],
  [
    "in a manifest of its own, which the metadata names with another key's signature",
    () => {
      bench.publish("1.1", { from: bench.first });
      const forged = Buffer.from(JSON.stringify({ ...bench.repository.makeRelease("1.2").manifest, rollout }));
      const sha256 = hash("sha256", forged);
      bench.repository.files.set(`targets/${board}/${sha256}.newest.json`, forged);
      const { signers, versions } = bench.repository;
      bench.repository.forge(`metadata/${versions.board}.${board}.json`, signers.timestamp, (signed) => {
        const targets = signed["targets"] as Record<string, object>;
        targets[`${board}/newest.json`] = { length: forged.length, hashes: { sha256 } };
      });
    },
  ],
  [
    "in metadata that has expired",
    () => {
      bench.repository.expire("2020-01-01T00:00:00Z");
      bench.publish("1.1", { from: bench.first, rollout });
    },
  ],
])("a policy %s is none", async (_, publish) => {
  const running = await bench.start();
  await check(running, "1.0");
  publish();
  bench.agent.ask({ kind: "check" });
  const report = await running.untilReport(({ activity }) => activity.phase === "waiting");
  expect(report.newest).toBe("1.0");
  expect(report.auto).toBeUndefined();
  expect(autoAfter(report, undefined)).toBeUndefined();
});

const skip = await lacksPredecessor();
test.skipIf(skip)("the release before finds such a release and takes no notice of it", async () => {
  const { findNewest, HamletError } = await predecessorSearch();
  const repository = makeRepository();
  repository.publish(repository.makeRelease("1.1", { rollout }));
  const workIn = await mkdtemp(join(tmpdir(), "hamlet-before-"));
  const door = {
    async file(path: string) {
      const found = repository.files.get(path);
      if (!found) throw new HamletError("update.notThere", "no such file");
      return found;
    },
  };
  try {
    const question = { board, door, kept: undefined, firstRoot: repository.firstRoot, floors: {}, workIn };
    const { manifest } = await findNewest({ ...question, nowMs: Date.UTC(2027, 0, 1) });
    expect(manifest.version).toBe("1.1");
    expect(manifest).not.toHaveProperty("rollout");
  } finally {
    await rm(workIn, { recursive: true });
  }
});
