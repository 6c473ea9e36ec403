// Whole updates: the real updater, a real socket, slots as files, and boot control on a model of the boot loader.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Armed, stateIn } from "../../../ota/updater/state.ts";
import type { UpdateActivity, UpdateReport } from "../../../provisioning/handover/update.ts";
import { HamletError } from "../../../system/error.ts";
import { eventually } from "../../eventually.ts";
import { verifyTree } from "../format/veritysetup.ts";
import { healthy } from "./agent.ts";
import { type Bench, makeBench } from "./bench.ts";

let bench: Bench;
const soon = { within: 10_000, every: 5 };
beforeEach(async () => {
  bench = await makeBench();
});
afterEach(() => bench.close());

test("a device goes to the newest release when asked, and keeps it when it is healthy", async () => {
  const next = bench.publish("1.1", { from: bench.first });
  const before = bench.slot("root-a");
  const old = await bench.start();
  expect(old).toMatchObject({ slot: "a", version: "1.0" });
  bench.agent.ask({ kind: "now" });
  await old.untilRestart();
  expect(bench.slot("root-b").subarray(0, next.root.length).equals(next.root)).toBe(true);
  expect(bench.slot("root-a").equals(before)).toBe(true);
  await verifyTree(bench.disk, "b", next.rootHash);

  const trial = await bench.start({ kind: "reboot" });
  expect(trial).toMatchObject({ slot: "b", version: "1.1" });
  const report = await trial.untilReport(({ history }) => history.length > 0);
  expect(report.history).toMatchObject([{ from: "1.0", to: "1.1", outcome: "committed", isAlone: true }]);
  expect(report).toMatchObject({ running: { slot: "b", version: "1.1" }, failed: [] });
  expect(report.fallback).toBeUndefined();
  expect(readdirSync(bench.boot.folder).sort()).toEqual(["hamlet_1.0.efi", "hamlet_1.1.efi"]);
  await trial.stop();
  expect(await bench.start()).toMatchObject({ slot: "b", version: "1.1" });
});

test("a release whose agent does not answer goes back, says which check failed, and is not tried again by itself", async () => {
  await bench.installNext();
  bench.agent.evidence = undefined;
  const trial = await bench.start({ kind: "reboot" });
  await trial.untilReport(
    ({ activity }) => activity.phase === "trying" && activity.waitsFor.includes("trial.agentDown"),
  );
  await trial.untilRestart();
  bench.agent.evidence = healthy;

  const back = await bench.start({ kind: "reboot" });
  expect(back).toMatchObject({ slot: "a", version: "1.0" });
  const report = await back.untilReport(({ fallback }) => fallback !== undefined);
  expect(report).toMatchObject({ running: { slot: "a", version: "1.0" }, failed: ["1.1"] });
  expect(report.fallback).toMatchObject({
    from: "1.0",
    to: "1.1",
    outcome: "failed",
    check: "trial.agentDown",
    log: ["the last words"],
  });
  bench.agent.ask({ kind: "now" });
  const { activity } = await back.untilReport((one) => one.activity.phase === "waiting");
  expect(activity).toMatchObject({ version: "1.1", because: { code: "update.failedBefore" } });
  bench.agent.ask({ kind: "seen" });
  await back.untilReport((one) => one.fallback === undefined);
  bench.agent.ask({ kind: "retry" });
  await back.untilRestart();
  expect(await bench.start({ kind: "reboot" })).toMatchObject({ slot: "b", version: "1.1" });
});

test("a release is prepared while the device runs, stays ready over restarts of updater and device, and starts when asked", async () => {
  const next = bench.publish("1.1", { from: bench.first });
  bench.publish("1.2", { from: bench.first });
  const isReady = ({ activity }: UpdateReport) => activity.phase === "ready" && activity.version === "1.1";
  const running = await bench.start();
  bench.agent.ask({ kind: "prepare", version: "1.1" });
  await running.untilReport(isReady);
  expect(running.restarted()).toBe(false);
  // Without the network: nothing is fetched any more.
  bench.agent.mischief = (_, response) => {
    response.destroy();
    return true;
  };
  bench.agent.asked.length = 0;
  bench.agent.reports.length = 0;
  const again = await running.again();
  await again.untilReport(isReady);
  expect(bench.agent.reports.map(({ activity }) => activity.phase)).not.toContain("verifying");
  await again.stop();
  bench.agent.reports.length = 0;
  const rebooted = await bench.start();
  expect(rebooted.version).toBe("1.0");
  const wasVerified = ({ activity }: UpdateReport) => activity.phase === "verifying";
  await eventually(() => bench.agent.reports.some(wasVerified), soon);
  await rebooted.untilReport(isReady);
  expect(bench.agent.asked).toEqual([]);
  bench.agent.ask({ kind: "restart" });
  await rebooted.untilRestart();
  expect(bench.slot("root-b").subarray(0, next.root.length).equals(next.root)).toBe(true);
  const trial = await bench.start({ kind: "reboot" });
  expect(trial).toMatchObject({ slot: "b", version: "1.1" });
  await trial.untilReport(({ history }) => history[0]?.outcome === "committed");
  expect(await stateIn(bench.stateFolder).read("prepared.json")).toBeUndefined();
});

test("an update gives way to others on the disk while it writes and verifies, and not while it is judged", async () => {
  bench.publish("1.1", { from: bench.first });
  const gaveWay: [boolean, string | undefined][] = [];
  bench.facts = { giveWay: async (is) => void gaveWay.push([is, bench.agent.last()?.activity.phase]) };
  const old = await bench.start();
  bench.agent.ask({ kind: "now" });
  await old.untilRestart();
  expect(gaveWay.map(([is]) => is)).toEqual([true, false]);
  expect(gaveWay[1]![1]).not.toBe("restarting");
  const trial = await bench.start({ kind: "reboot" });
  await trial.untilReport(({ history }) => history[0]?.outcome === "committed");
  expect(gaveWay).toHaveLength(2);
});

test("an update goes on at its usual class if the system has no other", async () => {
  bench.publish("1.1", { from: bench.first });
  bench.facts = { giveWay: () => Promise.reject(new Error("no ionice")) };
  const running = await bench.start();
  bench.agent.ask({ kind: "now" });
  await running.untilRestart();
  expect(running.restarted()).toBe(true);
});

test("what is ready and changes on the disk is found after a restart, and written again before it may start", async () => {
  const next = bench.publish("1.1", { from: bench.first });
  const isReady = ({ activity }: UpdateReport) => activity.phase === "ready";
  const running = await bench.start();
  bench.agent.ask({ kind: "prepare" });
  await running.untilReport(isReady);
  await running.stop();
  const root = bench.slot("root-b");
  root.writeUInt8(root.readUInt8(9_000) ^ 1, 9_000);
  writeFileSync(join(bench.disk, "root-b"), root);
  bench.agent.reports.length = 0;
  const again = await bench.start();
  await again.untilReport(isReady);
  expect(bench.slot("root-b").subarray(0, next.root.length).equals(next.root)).toBe(true);
  bench.agent.ask({ kind: "restart" });
  await again.untilRestart();
});

test("a restart is refused while nothing is ready, and one beside the owner's own request leaves the release ready", async () => {
  bench.publish("1.1", { from: bench.first });
  const running = await bench.start();
  bench.agent.ask({ kind: "restart" });
  const { activity } = await running.untilReport((one) => one.activity.phase === "waiting");
  expect(activity).toMatchObject({ because: { code: "update.notReady" } });
  bench.agent.ask({ kind: "prepare" });
  await running.untilReport((one) => one.activity.phase === "ready");
  bench.ownerAsked = "reset";
  bench.agent.ask({ kind: "restart" });
  const report = await running.untilReport((one) => one.activity.phase === "ready" && "because" in one.activity);
  expect(report.activity).toMatchObject({ version: "1.1", because: { code: "update.busy" } });
  expect(running.restarted()).toBe(false);
});

test("after any number of power cuts the update goes on by itself, from where it was", async () => {
  bench.publish("1.1");
  let running = await bench.start();
  bench.agent.ask({ kind: "now" });
  let cuts = 0;
  for (;;) {
    // The kernel has four chunks, and begins anew.
    let objects = 7;
    const cut = new Promise<"cut">((resolve) => {
      bench.agent.mischief = ({ kind }) => {
        if (kind === "object" && objects-- === 0) resolve("cut");
        return objects < 0;
      };
    });
    const restarted = running.untilRestart().then(() => "restarted" as const);
    if ((await Promise.race([cut, restarted])) === "restarted") break;
    cuts += 1;
    await running.stop();
    running = await bench.start();
  }
  expect(cuts).toBeGreaterThan(2);
  bench.agent.mischief = () => false;
  expect(await bench.start({ kind: "reboot" })).toMatchObject({ slot: "b", version: "1.1" });
});

test("bytes that are not what the manifest names never lead to a restart", async () => {
  bench.publish("1.1", { from: bench.first });
  bench.agent.mischief = ({ kind, ...request }, response) => {
    if (kind !== "object") return false;
    response.end(Buffer.alloc("sizeBytes" in request ? Number(request.sizeBytes) : 1, 0x41));
    return true;
  };
  const running = await bench.start();
  bench.agent.ask({ kind: "now" });
  const { activity } = await running.untilReport((one) => one.activity.phase === "waiting");
  expect(activity).toMatchObject({ because: { code: "update.badObject" } });
  expect(running.restarted()).toBe(false);
  bench.agent.mischief = () => false;
  bench.agent.ask({ kind: "now" });
  await running.untilRestart();
});

test("what changed comes as frames of a pack, and the slots are those of an update by chunks", async () => {
  const edits = [100, 50_000, 50_010, 120_000];
  const next = bench.publish("1.1", { from: bench.first, edits });
  const old = await bench.start();
  bench.agent.ask({ kind: "now" });
  await old.untilRestart();
  expect(bench.slot("root-b").subarray(0, next.root.length).equals(next.root)).toBe(true);
  await verifyTree(bench.disk, "b", next.rootHash);
  // Two recipes would be one too many: no step was made from chunks.
  expect(bench.agent.asked.filter(({ kind }) => kind === "object")).toHaveLength(1);
  // Three pieces of the root, and the kernel's head, whose slot differs from the digest's.
  expect(bench.agent.packed).toHaveLength(4);
  expect(await bench.start({ kind: "reboot" })).toMatchObject({ slot: "b", version: "1.1" });
});

test("a pack that is gone, and one wrong byte of the old slot, cost chunks and not the update", async () => {
  const next = bench.publish("1.1", { from: bench.first, edits: [100, 50_000] });
  const old = bench.slot("root-a");
  old.writeUInt8(old.readUInt8(200) ^ 1, 200);
  writeFileSync(join(bench.disk, "root-a"), old);
  const running = await bench.start();
  bench.agent.ask({ kind: "now" });
  await running.untilRestart();
  expect(bench.slot("root-b").subarray(0, next.root.length).equals(next.root)).toBe(true);
  // The recipe, the one for any release, and the chunk.
  expect(bench.agent.asked.filter(({ kind }) => kind === "object")).toHaveLength(3);
  await running.stop();

  const last = bench.publish("1.2", { from: bench.first, edits: [100, 50_000] });
  for (const path of bench.repository.files.keys()) {
    if (path.startsWith("packs/")) bench.repository.files.delete(path);
  }
  const again = await bench.start();
  bench.agent.packed.length = 0;
  bench.agent.ask({ kind: "now" });
  await again.untilRestart();
  expect(bench.slot("root-b").subarray(0, last.root.length).equals(last.root)).toBe(true);
  // Once it is known, nobody asks for the others.
  expect(bench.agent.packed.length).toBeLessThanOrEqual(4);
});

test.each(["update.metered", "update.outsideWindow", "update.tooDear"] as const)(
  "%s is no failure of the release: the device waits, and goes on when it is asked to",
  async (code) => {
    bench.publish("1.1", { from: bench.first, edits: [100] });
    const { unpack } = bench.agent;
    bench.agent.unpack = async () => {
      throw new HamletError(code, "the owner's settings say so");
    };
    const running = await bench.start();
    bench.agent.ask({ kind: "now" });
    const report = await running.untilReport((one) => one.activity.phase === "waiting");
    expect(report).toMatchObject({ activity: { version: "1.1", because: { code } }, failed: [] });
    expect(running.restarted()).toBe(false);
    bench.agent.unpack = unpack;
    bench.agent.ask({ kind: "now" });
    await running.untilRestart();
  },
);

test("the forecast is known before the first byte, and holds", async () => {
  bench.publish("1.1", { from: bench.first, edits: [100, 50_000] });
  const { unpack } = bench.agent;
  const before: unknown[] = [];
  bench.agent.unpack = async (request, dictionary) => {
    before.push(bench.agent.last()?.activity);
    return unpack(request, dictionary);
  };
  const running = await bench.start();
  bench.agent.ask({ kind: "now" });
  await running.untilRestart();
  const sizes = bench.agent.packed.reduce((sum, { frame }) => sum + frame.length, 0);
  const [first] = before as Extract<UpdateActivity, { phase: "writing" }>[];
  expect(first).toMatchObject({ phase: "writing", doneBytes: 0 });
  expect(first!.forecastBytes).toBeGreaterThanOrEqual(sizes);
  expect(first!.forecastBytes).toBeLessThan(sizes + 3_000);
});

test("during a trial that nobody of ours judges, an update touches neither the slot to go back to nor the trial", async () => {
  await bench.installNext();
  // As after `hamlet boot try`.
  loseArmed();
  await stateIn(bench.stateFolder).write("handMade.json", { slot: "b" });
  bench.publish("1.2");
  const before = bench.slot("root-a");
  const trial = await bench.start({ kind: "reboot" });
  const { activity } = await trial.untilReport((one) => one.activity.phase === "waiting");
  expect(activity).toMatchObject({ version: "1.2", because: { code: "boot.trialUnjudged", hint: expect.any(String) } });
  expect(bench.slot("root-a").equals(before)).toBe(true);
  expect(await trial.control.current()).toMatchObject({ phase: "trying", isMarkedBad: false });
});

test("a verdict that fails to be written is written by the updater that systemd starts again", async () => {
  await bench.installNext();
  const state = stateIn(bench.stateFolder);
  bench.parts.state = {
    ...state,
    async write(name, value) {
      if (name === "floors.json") throw new HamletError("file.full", "no space left");
      await state.write(name, value);
    },
  };
  const trial = await bench.start({ kind: "reboot" });
  await expect(trial.ended).rejects.toThrow("no space left");
  bench.parts.state = state;
  const again = await trial.again();
  const report = await again.untilReport(({ history }) => history.length > 0);
  expect(report).toMatchObject({ activity: { phase: "idle" }, history: [{ to: "1.1", outcome: "committed" }] });
  expect(await state.read("armed.json")).toBeUndefined();
});

test("a wish for an update that is asked for again keeps its count of trials without a verdict, until somebody says retry", async () => {
  const state = stateIn(bench.stateFolder);
  const voids = { version: "1.1", count: 2 };
  await state.write("wanted.json", { voids });
  bench.publish("1.1", { from: bench.first });
  bench.parts.takeTurn = async () => undefined;
  // It goes on with the wish of the boot before.
  const running = await bench.start();
  await running.untilReport((one) => one.activity.phase === "waiting");
  expect(await state.read("wanted.json")).toEqual({ voids });
  bench.agent.reports.length = 0;
  bench.agent.ask({ kind: "retry" });
  await running.untilReport((one) => one.activity.phase === "waiting");
  expect(await state.read("wanted.json")).toEqual({});
});

test("a trial that a panic ended failed, and its last lines are kept; one that power ended is void", async () => {
  await bench.installNext();
  // Three starts that nobody has seen.
  renameSync(join(bench.boot.folder, "hamlet_1.1+3.efi"), join(bench.boot.folder, "hamlet_1.1+0-3.efi"));
  const piece = join(bench.folder, "system/panics/b/1/dmesg-efi_pstore-170000000000101001");
  mkdirSync(dirname(piece), { recursive: true });
  writeFileSync(piece, "Panic#1 Part1\n<0>[    9.9] Kernel panic - not syncing\n");
  const back = await bench.start({ kind: "power" });
  expect(back).toMatchObject({ slot: "a", version: "1.0" });
  const { fallback, failed } = await back.untilReport(({ history }) => history.length > 0);
  expect(failed).toEqual(["1.1"]);
  expect(fallback).toMatchObject({ to: "1.1", outcome: "failed", check: "trial.panicked" });
  expect(fallback!.log).toEqual(["[    9.9] Kernel panic - not syncing"]);
  await eventually(() => expect(existsSync(piece)).toBe(false), soon);

  bench.agent.ask({ kind: "retry" });
  await back.untilRestart();
  renameSync(join(bench.boot.folder, "hamlet_1.1+3.efi"), join(bench.boot.folder, "hamlet_1.1+0-3.efi"));
  const again = await bench.start({ kind: "power" });
  const report = await again.untilReport(({ history }) => history.length > 1);
  expect(report.history[0]).toMatchObject({ to: "1.1", outcome: "void", check: "trial.ended" });
});

test("a committed slot that no longer starts is told once, until somebody has seen it", async () => {
  const note = join(bench.folder, "system/rescued.json");
  const left = (slot: string) => {
    mkdirSync(dirname(note), { recursive: true });
    writeFileSync(note, JSON.stringify({ slot, version: "1.1", because: "unverified" }));
  };
  left("b");
  const rescued = await bench.start();
  const { fallback, failed } = await rescued.untilReport(({ history }) => history.length > 0);
  expect(fallback).toMatchObject({ from: "1.1", to: "1.0", outcome: "rescued", check: "slot.unverified" });
  // What failed is the disk: the release may come again.
  expect(failed).toEqual([]);
  await eventually(() => expect(existsSync(note)).toBe(false), soon);
  await rescued.stop();
  // Power failed before the slot was left.
  left("a");
  const again = await bench.start();
  const report = await again.untilReport(({ fallback }) => fallback !== undefined);
  expect(report.history).toHaveLength(1);
  await eventually(() => expect(existsSync(note)).toBe(false), soon);
});

const loseArmed = () => {
  for (const name of ["armed.json", "armed.json.copy"]) rmSync(join(bench.stateFolder, name));
};

test("a trial whose record is lost ends in the old slot, each time, until the release has failed", async () => {
  await bench.installNext();
  for (let count = 1; count <= 4; count++) {
    loseArmed();
    const trial = await bench.start({ kind: "reboot" });
    expect(trial.version).toBe("1.1");
    await trial.untilRestart();
    const back = await bench.start({ kind: "reboot" });
    expect(back.version).toBe("1.0");
    if (count < 4) await back.untilRestart();
    else {
      const { history, failed } = await back.untilReport((report) => report.history.length === 4);
      expect(history.map(({ outcome }) => outcome)).toEqual(["failed", "void", "void", "void"]);
      expect(new Set(history.map(({ check }) => check))).toEqual(new Set(["trial.recordLost"]));
      expect(failed).toEqual(["1.1"]);
    }
  }
});

test("a trial that was staged in an earlier boot does not start before its slot is verified again", async () => {
  const first = await bench.start();
  const armed: Armed = {
    ...{ from: { slot: "a", version: "1.0" }, to: { slot: "b", version: "1.1" }, rootHash: "aa", bootId: "earlier" },
    ...{ atMs: 5, failedUnits: [], alive: [], hadMesh: false, hadTelemetry: false },
  };
  for (const known of [armed, undefined]) {
    await stateIn(bench.stateFolder).write("armed.json", known);
    await first.control.stage("b", await bench.boot.writeSlot("b", "1.1"));
    const again = await first.again();
    await eventually(() => expect(readdirSync(bench.boot.folder)).toContain("hamlet_1.1+0.efi"), soon);
    expect(await again.control.current()).toMatchObject({ phase: "reverted", because: "markedBad" });
    expect(existsSync(join(bench.stateFolder, "armed.json"))).toBe(false);
    await again.stop();
  }
  expect(await bench.start()).toMatchObject({ slot: "a", version: "1.0" });
});
