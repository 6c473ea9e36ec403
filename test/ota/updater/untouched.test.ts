// Until the restart an update takes nothing away: what is refused before it writes leaves the way back, and what fails later leaves the
// running slot, its entry, and a device that starts it.
import { readdirSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSlotPart } from "../../../ota/updater/slot-part.ts";
import { HamletError } from "../../../system/error.ts";
import { type Bench, makeBench } from "./bench.ts";

let bench: Bench;
/** Runs 1.1 in slot b, and can go back to 1.0 in slot a. */
let running: Awaited<ReturnType<Bench["start"]>>;
beforeEach(async () => {
  bench = await makeBench();
  const trial = await bench.updateToNext();
  await trial.stop();
  bench.agent.reports.length = 0;
});
afterEach(async () => {
  await running.stop();
  await bench.close();
});

const openPart = (label: string) => openSlotPart(join(bench.disk, label), "/sys");
const failing = {
  code: "update.writeFailed" as const,
  act: () => Promise.reject(new HamletError("update.writeFailed", "no")),
};

test.each<[string, () => void, string]>([
  ["is too new for this device", () => bench.publish("1.2", { installFrom: "1.1.5" }), "update.tooOld"],
  ["does not fit into the slot", () => bench.publish("1.2", { rootBytes: 65 * 4096 }), "update.noRoom"],
  [
    "comes while the device moves",
    () => {
      bench.publish("1.2");
      bench.ownerAsked = "install";
    },
    "update.busy",
  ],
])("a release that %s leaves both slots and the way back", async (_, prepare, code) => {
  prepare();
  const slots = ["root-a", "verity-a", "root-b", "verity-b"].map(bench.slot);
  const entries = readdirSync(bench.boot.folder).sort();
  running = await bench.start();
  bench.agent.ask({ kind: "now" });
  const isRefused = (report: NonNullable<ReturnType<typeof bench.agent.last>>) =>
    report.activity.phase === "waiting" && report.activity.because.code === code && report.earlier === "1.0";
  await running.untilReport(isRefused);
  expect(["root-a", "verity-a", "root-b", "verity-b"].map(bench.slot)).toEqual(slots);
  expect(readdirSync(bench.boot.folder).sort()).toEqual(entries);
  bench.ownerAsked = undefined;
  bench.agent.ask({ kind: "back" });
  await running.untilRestart();
  expect(await bench.start({ kind: "reboot" })).toMatchObject({ slot: "a", version: "1.0" });
});

test.each<[string, () => void, string]>([
  [
    "whose hash tree does not fit",
    () => {
      bench.publish("1.2");
      truncateSync(join(bench.disk, "verity-a"), 4096);
    },
    "update.noRoom",
  ],
  [
    "whose manifest has the name of another",
    () => void bench.repository.publish({ ...bench.repository.makeRelease("1.3"), version: "1.2" }),
    "update.badManifest",
  ],
])("a release %s is refused before anything is written", async (_, prepare, code) => {
  prepare();
  const slots = ["root-a", "verity-a", "root-b", "verity-b"].map(bench.slot);
  const entries = readdirSync(bench.boot.folder).sort();
  running = await bench.start();
  bench.agent.ask({ kind: "prepare", version: "1.2" });
  await running.untilReport(({ activity }) => activity.phase === "waiting" && activity.because.code === code);
  expect(["root-a", "verity-a", "root-b", "verity-b"].map(bench.slot)).toEqual(slots);
  expect(readdirSync(bench.boot.folder).sort()).toEqual(entries);
});

test.each<[string, () => void, string]>([
  [
    "whose bytes are wrong",
    () => {
      bench.agent.mischief = ({ kind }, response) => {
        if (kind === "file") return false;
        response.end("wrong");
        return true;
      };
    },
    "update.badObject",
  ],
  [
    "that the medium does not take",
    () => {
      bench.parts.disk = {
        openOld: () => ({ read: async () => undefined, close: async () => {} }),
        openPart: async (label) => ({ ...(await openPart(label)), sync: failing.act }),
      };
    },
    failing.code,
  ],
  [
    "whose agent falls silent",
    () => {
      bench.agent.mischief = ({ kind }, response) => {
        if (kind === "file") return false;
        response.destroy();
        return true;
      };
    },
    "update.agentSilent",
  ],
])("an installation %s leaves the running slot, which starts alone", async (_, prepare, code) => {
  bench.publish("1.2");
  prepare();
  const slot = ["root-b", "verity-b"].map(bench.slot);
  running = await bench.start();
  bench.agent.ask({ kind: "now" });
  await running.untilReport(({ activity }) => activity.phase === "waiting" && activity.because.code === code);
  expect(["root-b", "verity-b"].map(bench.slot)).toEqual(slot);
  await running.stop();
  bench.parts = {};
  bench.agent.mischief = () => false;
  // Whatever restarts the device now, it starts what ran, and goes on with the update.
  running = await bench.start();
  expect(running).toMatchObject({ slot: "b", version: "1.1" });
  await running.untilRestart();
  expect(await bench.start({ kind: "reboot" })).toMatchObject({ slot: "a", version: "1.2" });
});
