// `hamlet update ...` against an agent's socket, behind which a stand-in for root's updater works through a script.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { updateStatusOf } from "../../../agent/api/own-status.ts";
import { serveRequests } from "../../../agent/api/requests.ts";
import { Status } from "../../../agent/api/schema.ts";
import { startApi } from "../../../agent/api/server.ts";
import { startUpdate, type Update } from "../../../agent/update/update.ts";
import { confirmReturn, updateBack } from "../../../cli/commands/update/back.ts";
import { updateCheck } from "../../../cli/commands/update/check.ts";
import { awaitCheck, awaitUpdater, followUpdate, usualPace } from "../../../cli/commands/update/follow.ts";
import { updateHistory } from "../../../cli/commands/update/history.ts";
import { updateInstall } from "../../../cli/commands/update/install.ts";
import { updateNow } from "../../../cli/commands/update/now.ts";
import { updateRetry } from "../../../cli/commands/update/retry.ts";
import { updateSeen } from "../../../cli/commands/update/seen.ts";
import { updateStatus } from "../../../cli/commands/update/status.ts";
import { type Command, parseInput } from "../../../cli/terminal/command.ts";
import { makePageHandler } from "../../../dashboard/api/handler.ts";
import type { UpdateActivity, UpdateEnd, UpdateReport } from "../../../provisioning/handover/update.ts";
import { systemClock } from "../../../system/clock.ts";
import { HamletError } from "../../../system/error.ts";
import { silentLog } from "../../../system/log.ts";
import { makeProgress } from "../../../system/progress.ts";
import { type FakeUpdater, fakeUpdater, reportOf } from "../../agent/update/updater.ts";
import { makeStatusSource } from "../../dashboard/api/status-source.ts";

let folder: string;
let socket: string;
let api: { stop(): Promise<void> };
let source: ReturnType<typeof makeStatusSource>;
let update: Update;
let updater: FakeUpdater;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-update-"));
  socket = join(folder, "agent.sock");
  source = makeStatusSource();
  await start();
  updater = fakeUpdater(socket);
});
afterEach(async () => {
  updater.stop();
  await update.stop();
  await api.stop();
  await rm(folder, { recursive: true, force: true });
});

/** As after a restart of the device, the agent knows nothing until the updater reports. */
async function start(): Promise<void> {
  const warnings = { raise() {}, clear() {} };
  const evidence = () => Promise.reject(new Error("nobody asks"));
  update = await startUpdate({
    ...{ board: "nuc", slots: [] },
    repositories: [],
    settings: { metered: false, verdictSeconds: 180 },
    evidence,
    warnings,
    clock: systemClock,
    hasUpdater: false,
    log: silentLog,
    stateFolder: folder,
  });
  const status = async () => {
    const report = update.report();
    return Status.parse({ ...source.state, ...(report && { update: updateStatusOf(report) }) });
  };
  const { self } = source.state;
  const device = {
    ...{ id: self.id, life: () => undefined, stateFolder: folder, isImage: true, internalDisk: async () => undefined },
    update: (request: Parameters<Update["ask"]>[0]) => update.ask(request),
    updateActivity: () => update.report()?.activity,
  };
  api = await startApi(socket, serveRequests(device, update.serve(makePageHandler({ ...source, status }, "full"))));
}

async function hamlet(command: Command, ...argv: string[]): Promise<{ code: number; lines: string[]; shown: string }> {
  const lines: string[] = [];
  let shown = "";
  const print = (...more: string[]) => void lines.push(...more);
  const note = (line: string) => {
    shown += `${line}\n`;
  };
  const progress = makeProgress({ write: (text) => (shown += text), isTTY: false });
  const input = parseInput(command, [...argv, "--device", socket], {});
  const code = (await command.run(input, { print, note, progress })) ?? 0;
  return { code, lines, shown };
}

type Step = [activity: UpdateActivity, change?: Partial<UpdateReport>];
/** Takes one request, then tells these steps. */
async function work(kind: string, ...steps: Step[]): Promise<void> {
  expect(await updater.wait()).toEqual({ kind });
  for (const [activity, change] of steps) await updater.tell(activity, change);
}
const writing = (doneBytes: number): UpdateActivity => ({
  ...{ phase: "writing", version: "0.2.0", part: "root", doneBytes, totalBytes: 200e6 },
  ...{ fetchedBytes: doneBytes / 100, forecastBytes: 2e6 },
});
const end = (outcome: UpdateEnd["outcome"], atMs = Date.now()): UpdateEnd => ({
  ...{ atMs, from: "0.1.0", to: "0.2.0", outcome },
  ...(outcome === "failed" && { check: "trial.mesh", message: "no handshake in this boot", log: ["agent: gone"] }),
});
const found = { newest: "0.2.0", checkedAtMs: 5 };

test("update now returns once the update has begun, and says how to follow it", async () => {
  await updater.tell({ phase: "idle" });
  const working = work("now", [{ phase: "checking" }], [writing(1e6), found]);
  const { code, lines } = await hamlet(updateNow);
  await working;
  expect([code, lines]).toEqual([
    0,
    [`the update of attic to 0.2.0 has begun; follow it: hamlet update status --device ${socket} --watch`],
  ]);
});

test("the command to follow an update names the device that was named", async () => {
  await updater.tell({ phase: "idle" }, { earlier: "0.0.9", failed: ["0.1.5"], fallback: end("failed") });
  const working = work("now", [{ phase: "checking" }], [writing(1e6), found]);
  const { lines } = await hamlet(updateNow);
  await working;
  const told = (await hamlet(updateStatus)).lines;
  const next = [...lines, ...told].join("\n").match(/hamlet update [a-z]+( --device [^\s`]+)?/g);
  expect(next).toEqual(["status", "back", "retry", "seen"].map((name) => `hamlet update ${name} --device ${socket}`));
});

test("--watch --json prints JSON alone, a line for each change, whatever the device does", async () => {
  await updater.tell({ phase: "idle" }, { checkedAtMs: 1 });
  const quiet = await hamlet(updateStatus, "--watch", "--json");
  expect([quiet.code, quiet.lines.map((line) => JSON.parse(line).activity.phase)]).toEqual([0, ["idle"]]);
  const nothing = work("now", [{ phase: "idle" }, { newest: "0.1.0", checkedAtMs: 2 }]);
  const newest = await hamlet(updateNow, "--watch", "--json");
  await nothing;
  expect(newest.lines.map((line) => JSON.parse(line).newest)).toEqual(["0.1.0"]);
  const working = work("now", [writing(1e6), found]);
  const watching = hamlet(updateNow, "--watch", "--json");
  await working;
  await new Promise((resolve) => setTimeout(resolve, 2 * usualPace.pollMs));
  await updater.tell({ phase: "idle" }, { ...found, history: [end("failed")], fallback: end("failed") });
  const watched = await watching;
  const said = watched.lines.map((line) => JSON.parse(line));
  expect([watched.code, said.map(({ activity }) => activity.phase)]).toEqual([4, ["writing", "idle"]]);
  expect(said[1]).toMatchObject({ device: "attic", last: { outcome: "failed" } });
});

test("update now on a device that is up to date says so", async () => {
  await updater.tell({ phase: "idle" }, { checkedAtMs: 1 });
  const working = work("now", [{ phase: "idle" }, { newest: "0.1.0", checkedAtMs: 2 }]);
  const { code, lines } = await hamlet(updateNow);
  await working;
  expect([code, lines]).toEqual([0, ["attic runs 0.1.0, the newest release"]]);
});

test.each([
  ["update.unreachable", "no repository answers"],
  ["update.noRoom", "the slot is too small"],
])("update now fails with what the update waits for: %s", async (code, message) => {
  await updater.tell({ phase: "idle" });
  const because = { code, message };
  const working = work("now", [{ phase: "checking" }], [{ phase: "waiting", because, againAtMs: 9 }]);
  await expect(hamlet(updateNow)).rejects.toMatchObject({ code, message, exitCode: 1, hint: `hamlet explain ${code}` });
  await working;
});

test.each<[string, Partial<UpdateActivity & { phase: "waiting" }>, number]>([
  ["what passes by itself is a failure", { because: { code: "update.unreachable", message: "x" }, againAtMs: 9 }, 1],
  ["what the device refuses for good is a refusal", { because: { code: "update.tooOld", message: "x" } }, 3],
  ["a release that failed before is refused", { because: { code: "update.failedBefore", message: "x" } }, 3],
  [
    "a trial in doubt or to be repeated has rolled back",
    { because: { code: "trial.noGossip", message: "x" }, againAtMs: 9 },
    4,
  ],
])("exit codes of update now, retry and check: %s", async (_, waits, exitCode) => {
  const activity = { phase: "waiting", version: "0.2.0", ...waits } as UpdateActivity;
  for (const [kind, command] of [
    ["now", updateNow],
    ["retry", updateRetry],
    ["check", updateCheck],
  ] as const) {
    await updater.tell({ phase: "idle" });
    const working = work(kind, [{ phase: "checking" }], [activity]);
    await expect(hamlet(command)).rejects.toMatchObject({ code: waits.because!.code, exitCode });
    await working;
  }
});

test("update check names a newer release and begins nothing", async () => {
  await updater.tell({ phase: "idle" });
  const working = work("check", [{ phase: "idle" }, found]);
  expect(await hamlet(updateCheck)).toMatchObject({ lines: ["attic runs 0.1.0; the newest release is 0.2.0"] });
  await working;
});

test("update check --json prints what the updater says", async () => {
  await updater.tell({ phase: "idle" });
  const working = work("check", [{ phase: "idle" }, found]);
  const { lines } = await hamlet(updateCheck, "--json");
  await working;
  expect(JSON.parse(lines.join("\n"))).toMatchObject({ device: "attic", newest: "0.2.0", running: { slot: "a" } });
});

test("update retry asks for the release that failed", async () => {
  await updater.tell({ phase: "idle" }, { failed: ["0.2.0"] });
  const working = work("retry", [writing(0), { failed: [], ...found }]);
  expect((await hamlet(updateRetry)).lines[0]).toContain("to 0.2.0 has begun");
  await working;
});

test("update seen acknowledges the fallback by its name", async () => {
  await updater.tell({ phase: "idle" }, { fallback: end("failed", 1) });
  const working = work("seen", [{ phase: "idle" }]);
  const { lines } = await hamlet(updateSeen);
  await working;
  expect(lines).toEqual([
    "acknowledged: 0.1.0 -> 0.2.0 failed, and the device returned (trial.mesh: no handshake in this boot)",
  ]);
});

test("update back names both releases, and returns once the device restarts", async () => {
  await updater.tell({ phase: "idle" }, { running: { slot: "b", version: "0.2.0" }, earlier: "0.1.0" });
  const working = work(
    "back",
    [{ phase: "verifying", version: "0.1.0", doneBytes: 1, totalBytes: 2 }],
    [{ phase: "restarting", version: "0.1.0" }],
  );
  const { code, lines, shown } = await hamlet(updateBack, "--yes");
  await working;
  expect([code, lines]).toEqual([0, ["attic goes back from 0.2.0 to 0.1.0"]]);
  expect(shown).not.toContain("waiting");
});

test("update back asks first, and only the device's name continues", async () => {
  const report = reportOf({ running: { slot: "b", version: "0.2.0" } });
  const status = Status.parse({ ...source.state, update: updateStatusOf(report) });
  const asked: string[] = [];
  const answering = (answer: string) => ({
    isThere: true,
    async ask(question: string) {
      asked.push(question);
      return answer;
    },
  });
  await confirmReturn(status, status.update!, "0.1.0", answering("attic"));
  expect(asked[0]).toContain("attic will leave 0.2.0, which then counts as failed, and restart into 0.1.0.");
  await expect(confirmReturn(status, status.update!, "0.1.0", answering("yes"))).rejects.toMatchObject({
    code: "answer.no",
    message: "attic stays on 0.2.0",
  });
});

test("update back without an earlier release asks nothing of the device", async () => {
  await updater.tell({ phase: "idle" });
  await expect(hamlet(updateBack, "--yes")).rejects.toMatchObject({ code: "update.nothingBack", exitCode: 3 });
});

test("update back fails with what the updater finds, and while an update writes", async () => {
  await updater.tell({ phase: "idle" }, { earlier: "0.1.0" });
  const because = { code: "update.nothingBack", message: "slot a no longer holds all of 0.1.0" };
  const working = work("back", [{ phase: "waiting", because }]);
  await expect(hamlet(updateBack, "--yes")).rejects.toMatchObject({ ...because, exitCode: 3 });
  await working;
  await updater.tell(writing(1e6), { earlier: "0.1.0" });
  await expect(hamlet(updateBack, "--yes")).rejects.toMatchObject({ code: "update.busy", exitCode: 3 });
});

test("each stage of going back is told once", async () => {
  const verifying = (doneBytes: number, totalBytes: number) =>
    on({ phase: "verifying", version: "0.1.0", doneBytes, totalBytes });
  const { stages } = await follow([
    ...[verifying(0, 0), verifying(0, 2), verifying(1, 2)],
    ...[on({ phase: "restarting", version: "0.1.0" }), on({ phase: "idle" })],
  ]);
  expect(stages).toEqual(["preparing 0.1.0", "verifying 0.1.0", "restarting into 0.1.0"]);
});

test("a watch ends with 0 when the device has gone back as asked", async () => {
  const left: UpdateEnd = { atMs: 9, from: "0.2.0", to: "0.1.0", outcome: "left" };
  const { code, lines } = await follow([
    on({ phase: "restarting", version: "0.1.0" }),
    "silent",
    on({ phase: "idle" }, [left]),
  ]);
  expect([code, lines]).toEqual([0, ["attic: 0.2.0 -> 0.1.0 returned, as somebody asked"]]);
});

test("update history lists how updates ended; --log adds what the fallback left", async () => {
  const { log: _, ...failed } = end("failed", Date.UTC(2026, 0, 2, 3, 4));
  await updater.tell({ phase: "idle" }, { history: [failed], fallback: end("failed", failed.atMs) });
  const { lines } = await hamlet(updateHistory, "--log");
  expect(lines.map((line) => line.trim())).toEqual([
    expect.stringMatching(/^when +from +to +outcome +check +message$/),
    expect.stringMatching(/^2026-01-02 03:04 +0\.1\.0 +0\.2\.0 +failed +trial\.mesh +no handshake in this boot$/),
    "",
    expect.stringContaining("log of 0.1.0 -> 0.2.0 failed"),
    "agent: gone",
  ]);
  const json = JSON.parse((await hamlet(updateHistory, "--json")).lines.join("\n"));
  expect(json).toEqual({ history: [failed], fallback: end("failed", failed.atMs) });
});

test("update history shows what witnesses said of each update", async () => {
  const by = { handshake: true, gossip: true, connection: true };
  const kept: UpdateEnd = {
    ...end("committed", 9),
    witnesses: [
      { by: "b", ...by },
      { by: "c", ...by, gossip: false },
    ],
  };
  const alone: UpdateEnd = { ...end("committed", 8), isUnwitnessed: true };
  await updater.tell({ phase: "idle" }, { history: [kept, alone] });
  const { lines } = await hamlet(updateHistory);
  expect(lines[1]).toMatch(/committed +1 of 2 witnesses confirmed it$/);
  expect(lines[2]).toMatch(/committed +none$/);
  const json = JSON.parse((await hamlet(updateHistory, "--json")).lines.join("\n"));
  expect(json.history[0].witnesses).toEqual(kept.witnesses);
});

test("update status names the release that the device can go back to", async () => {
  await updater.tell({ phase: "idle" }, { running: { slot: "b", version: "0.2.0" }, earlier: "0.1.0" });
  expect((await hamlet(updateStatus)).lines).toContain(
    `the release before: 0.1.0; go back to it: hamlet update back --device ${socket}`,
  );
});

test("update status says what runs, what is newer, how far an update is and what failed", async () => {
  await updater.tell(writing(84e6), {
    ...found,
    checkedAtMs: Date.now() - 180_000,
    failed: ["0.1.9"],
    history: [end("void")],
  });
  const { code, lines } = await hamlet(updateStatus);
  expect([code, lines]).toEqual([
    0,
    [
      "attic runs 0.1.0 (slot a)",
      "newest release: 0.2.0, checked 3 min ago",
      "now: writing 0.2.0: 42 % (root), fetched 840 kB of 2.0 MB",
      "last update: 0.1.0 -> 0.2.0 ended without a verdict, 0 s ago",
      `failed, so not tried again until \`hamlet update retry --device ${socket}\`: 0.1.9`,
    ],
  ]);
});

test("update status --watch of a device that does nothing ends at once", async () => {
  await updater.tell({ phase: "idle" });
  expect(await hamlet(updateStatus, "--watch")).toMatchObject({
    code: 0,
    lines: expect.arrayContaining(["attic runs 0.1.0 (slot a)"]),
  });
});

test("update install needs an absolute path, and a device from an image", async () => {
  await updater.tell({ phase: "idle" });
  await expect(hamlet(updateInstall, "stick/")).rejects.toMatchObject({ code: "usage.invalid", exitCode: 2 });
  await expect(hamlet(updateInstall, folder)).rejects.toMatchObject({ code: "update.notThere", exitCode: 3 });
});

test("a device without an updater refuses requests, and says why", async () => {
  for (const command of [updateStatus, updateNow, updateCheck, updateRetry, updateSeen, updateHistory]) {
    await expect(hamlet(command)).rejects.toMatchObject({ code: "update.noUpdater", exitCode: 1 });
  }
});

test("a device takes no such request over the network, and the error says what works", async () => {
  for (const command of [updateNow, updateCheck, updateRetry, updateSeen, updateHistory]) {
    const input = parseInput(command, ["--device", "192.0.2.7"], {});
    const context = { print() {}, note() {}, progress: makeProgress({ write() {} }) };
    await expect(command.run(input, context)).rejects.toMatchObject({
      code: "device.takesNoRequests",
      hint: expect.stringContaining("ssh root@"),
    });
  }
});

// Following an update, step by step, without a socket: each call of status() is the next step.
type Told = UpdateReport | "silent" | "no updater";
async function follow(told: Told[], before = reportOf(), silentMs = 60_000) {
  const lines: string[] = [];
  let shown = "";
  const steps = [...told];
  const device = {
    async status() {
      const step = steps.shift() ?? told.at(-1)!;
      if (step === "silent") throw new HamletError("device.noAnswer", "attic does not answer");
      return Status.parse({ ...source.state, ...(step !== "no updater" && { update: updateStatusOf(step) }) });
    },
  };
  const context = {
    print: (...more: string[]) => void lines.push(...more),
    note: (line: string) => void lines.push(`note: ${line}`),
    progress: makeProgress({ write: (text) => (shown += text), isTTY: false }),
  };
  const pace = { pollMs: 1, silentMs, checkMs: 1_000 };
  const code = await followUpdate(device, updateStatusOf(before), context, pace);
  return {
    code,
    lines,
    stages: shown
      .split("\n")
      .filter((line) => line.endsWith(" ..."))
      .map((line) => line.slice(0, -4)),
  };
}
const on = (activity: UpdateActivity, history: UpdateEnd[] = []) => reportOf({ activity, history });
const trying = (...waitsFor: string[]): UpdateActivity => ({ phase: "trying", version: "0.2.0", leftS: 90, waitsFor });

test("a watch tells each stage, survives the restart, and ends with 0 when the release is kept", async () => {
  const { code, lines, stages } = await follow([
    ...[on({ phase: "checking" }), on(writing(0)), on(writing(100e6)), on(writing(200e6))],
    on({ phase: "verifying", version: "0.2.0", doneBytes: 1, totalBytes: 2 }),
    on({ phase: "restarting", version: "0.2.0" }),
    ...(["silent", "silent", "no updater"] as const),
    ...[on(trying("trial.mesh", "trial.gossip")), on(trying("trial.gossip")), on(trying())],
    on({ phase: "idle" }, [end("committed")]),
  ]);
  expect([code, lines]).toEqual([0, ["attic: 0.1.0 -> 0.2.0 committed"]]);
  expect(stages).toEqual([
    ...["checking for a release", "writing 0.2.0", "verifying 0.2.0", "restarting into 0.2.0"],
    ...["waiting until attic answers", "waiting for the updater of attic"],
    ...["trying 0.2.0, waits for trial.mesh, trial.gossip", "trying 0.2.0, waits for trial.gossip", "trying 0.2.0"],
  ]);
});

test("until the updater knows how much there is to write, it prepares", async () => {
  const nothing = { ...writing(0), totalBytes: 0, forecastBytes: 0 } as UpdateActivity;
  const { stages } = await follow([on(nothing), on(writing(1e6)), on({ phase: "idle" }, [end("committed")])]);
  expect(stages).toEqual(["preparing 0.2.0", "writing 0.2.0"]);
});

test("a watch ends with 4 when the device fell back, and names the check", async () => {
  const { code, lines } = await follow([on(trying()), "silent", on({ phase: "idle" }, [end("failed")])]);
  expect([code, lines]).toEqual([4, [expect.stringContaining("failed, and the device returned (trial.mesh")]]);
});

test("a watch ends with 4 when the slot no longer started and the device returned", async () => {
  const { code, lines } = await follow([on(trying()), "silent", on({ phase: "idle" }, [end("rescued")])]);
  expect([code, lines]).toEqual([4, [expect.stringContaining("the slot no longer started")]]);
});

test("a trial that power ended is told, and the watch goes on until there is a verdict", async () => {
  const because = { code: "update.unreachable", message: "no repository answers" };
  const [first, second] = [end("void", 1), end("committed", 2)];
  const { code, lines } = await follow([
    on(trying()),
    on({ phase: "waiting", version: "0.2.0", because, againAtMs: 9 }, [first]),
    on(trying(), [first]),
    on({ phase: "idle" }, [second, first]),
  ]);
  expect([code, lines.length, lines[0]]).toEqual([0, 2, "note: attic: 0.1.0 -> 0.2.0 ended without a verdict"]);
});

test("a watch ends with an error when only people can help", async () => {
  const because = { code: "update.noRoom", message: "the EFI partition is full", hint: "remove files from it" };
  await expect(follow([on({ phase: "waiting", because })])).rejects.toMatchObject({ ...because, exitCode: 3 });
});

test("a watch ends when a device stays silent, or without an updater", async () => {
  await expect(follow([on(trying()), "silent"], reportOf(), 20)).rejects.toMatchObject({ code: "device.noAnswer" });
  await expect(follow(["no updater"], reportOf(), 20)).rejects.toMatchObject({ code: "update.noUpdater" });
});

test("an update that ended before the watch began is not taken for its end", async () => {
  const old = [end("failed", 1)];
  const { code, lines } = await follow([on(writing(0), old), on({ phase: "idle" }, old)], reportOf({ history: old }));
  expect([code, lines]).toEqual([0, ["attic runs 0.1.0; no update is under way"]]);
});

test("to follow an update, the command waits for the updater of a device that has just started", async () => {
  const { update: _, ...started } = source.state;
  const reported = { ...started, update: updateStatusOf(reportOf()) };
  const answers = [started, started, reported];
  const device = { status: async () => answers.shift() ?? started };
  expect(await awaitUpdater(device, { ...usualPace, pollMs: 1 })).toEqual(reported);
  const absent = awaitUpdater({ status: async () => started }, { ...usualPace, pollMs: 1, checkMs: 3 });
  await expect(absent).rejects.toMatchObject({ code: "update.noUpdater" });
});

test("update now does not take the end of a check that the updater had begun before for its own", async () => {
  const because = { code: "update.failedBefore", message: "0.2.0 failed on this device" };
  const earlier = reportOf({ activity: { phase: "idle" }, newest: "0.2.0", checkedAtMs: 5 });
  const ours = reportOf({ activity: { phase: "waiting", version: "0.2.0", because }, newest: "0.2.0", checkedAtMs: 6 });
  const asked = async (kind: "now" | "retry" | "check") => {
    const answers = [earlier, earlier, ours].map(updateStatusOf);
    const device = { status: async () => ({ ...source.state, update: answers.shift() ?? updateStatusOf(ours) }) };
    return awaitCheck(device, updateStatusOf(reportOf()), kind, { ...usualPace, pollMs: 1 });
  };
  for (const kind of ["now", "retry"] as const) {
    await expect(asked(kind)).rejects.toMatchObject({ code: "update.failedBefore", exitCode: 3 });
  }
  expect(await asked("check")).toMatchObject({ newest: "0.2.0", checkedAtMs: 5 });
});
