// `hamlet rollout rehearse` on a stage of pretended devices that keep their slots: what is go, no-go and not rehearsed.
import { expect, test } from "vitest";
import { rehearse, type Subject } from "../../../../cli/commands/rollout/rehearsal/rehearse.ts";
import { exitCodes, Rehearsal, rehearsalText } from "../../../../cli/commands/rollout/rehearsal/verdict.ts";
import type { Manifest } from "../../../../ota/format/manifest.ts";
import { HamletError } from "../../../../system/error.ts";
import { type FakeStage, type FakeTerms, fakeStage } from "./fake-stage.ts";

const [from, release] = ["0.1.0", "0.2.0"];
const manifest = {
  recipes: [{ sha256: "0".repeat(64), sizeBytes: 1, fetchBytes: 3_000_000 }],
  parts: [],
} as unknown as Manifest;
const subject = (board: string): Subject => ({ board, from, devices: [], manifest });
const about = { release, seed: 7, again: "hamlet rollout rehearse --release 0.2.0 --seed 7" };

async function rehearseOn(terms: Partial<FakeTerms> = {}, boards = ["nuc"]) {
  const stages: FakeStage[] = [];
  const open = async () => {
    stages.push(fakeStage({ from, release, ...terms }));
    return stages.at(-1)!;
  };
  const rehearsal = await rehearse({ open, onStage() {} }, boards.map(subject), about);
  expect(Rehearsal.parse(rehearsal)).toEqual(rehearsal);
  return { rehearsal, stages, outcomes: rehearsal.boards[0]!.scenarios.map(({ outcome }) => outcome) };
}

test("a good release passes every scenario and is go; the stage is gone", async () => {
  const { rehearsal, stages, outcomes } = await rehearseOn();
  expect(outcomes).toEqual(Array(6).fill({ verdict: "passed" }));
  expect([rehearsal.verdict, exitCodes[rehearsal.verdict]]).toEqual(["go", 0]);
  expect(stages.map((stage) => stage.isClosed())).toEqual([true]);
  expect(stages[0]!.devices.map((name) => stages[0]!.device(name).running)).toEqual([release, release, release]);
  expect(stages[0]!.log).toEqual(
    expect.arrayContaining([
      "cellar has 1024 kbit/s",
      "cellar is healed",
      "attic back",
      expect.stringMatching(/^kitchen is cut while (writing|verifying|restarting|silent|trying), seed 7$/),
      expect.stringMatching(/^attic is cut while (writing|verifying|restarting|silent|trying), seed 8$/),
      expect.stringMatching(/^cellar is cut while (writing|verifying|restarting|silent|trying), seed 9$/),
    ]),
  );
});

test("many seeds cut at each phase of an update, and a good release stays go", async () => {
  const cuts = new Set<string>();
  for (let seed = 1; seed <= 40; seed++) {
    const stage = fakeStage({ from, release });
    const rehearsal = await rehearse({ open: async () => stage, onStage() {} }, [subject("nuc")], { ...about, seed });
    expect([seed, rehearsal.verdict]).toEqual([seed, "go"]);
    for (const line of stage.log) cuts.add(/is cut while (\w+)/.exec(line)?.[1] ?? "");
  }
  expect([...cuts]).toEqual(expect.arrayContaining(["writing", "verifying", "restarting", "trying"]));
});

test("a release that fails its trial is no-go, with the check and the device's last lines; nothing else runs", async () => {
  const { rehearsal, stages, outcomes } = await rehearseOn({ failing: "trial.meshDown" });
  expect([rehearsal.verdict, exitCodes[rehearsal.verdict]]).toEqual(["no-go", 4]);
  expect(outcomes[0]).toEqual({
    ...{ verdict: "failed", check: "trial.meshDown", reason: "it failed" },
    log: ["hamlet-agent: no mesh"],
  });
  expect(outcomes.slice(1)).toEqual(
    Array(5).fill({ verdict: "not rehearsed", reason: "update on attic ended the rehearsal" }),
  );
  expect(stages[0]!.isClosed()).toBe(true);
  const text = rehearsalText(rehearsal).join("\n");
  expect(text).toContain("nuc, 0.1.0 -> 0.2.0: no-go");
  expect(text).toContain("trial.meshDown: it failed");
  expect(text).toContain("see it again: hamlet rollout rehearse --release 0.2.0 --seed 7");
});

test.each<[string, Partial<FakeTerms>, string]>([
  ["is another member after a power cut", { forgetsOnCut: true }, "identity"],
  ["does not come back from its restart", { hangs: true }, "deadline"],
])("a release whose device %s is no-go", async (_, terms, check) => {
  const { rehearsal, outcomes } = await rehearseOn(terms);
  expect(rehearsal.verdict).toBe("no-go");
  expect(outcomes.find(({ verdict }) => verdict === "failed")).toMatchObject({ check });
});

test("a machine that ends says nothing of the release: not rehearsed", async () => {
  const { rehearsal, stages, outcomes } = await rehearseOn({ breaksAfterMs: 5_000 });
  expect([rehearsal.verdict, exitCodes[rehearsal.verdict]]).toEqual(["not rehearsed", 3]);
  expect(outcomes[0]).toEqual({
    verdict: "not rehearsed",
    reason: "lab.bootFailed: attic's machine ended: exit code 1",
  });
  expect(stages[0]!.isClosed()).toBe(true);
});

test("a board that cannot be emulated is named as not rehearsed, and keeps the whole from being go", async () => {
  const { rehearsal } = await rehearseOn({}, ["nuc", "rpi4"]);
  expect(rehearsal.boards.map(({ board, verdict, reason }) => [board, verdict, reason])).toEqual([
    ["nuc", "go", undefined],
    ["rpi4", "not rehearsed", "QEMU cannot emulate it"],
  ]);
  expect(rehearsal.verdict).toBe("not rehearsed");
  expect(rehearsalText(rehearsal).join("\n")).toContain("rpi4, 0.1.0 -> 0.2.0: not rehearsed, QEMU cannot emulate it");
});

test("a lab that does not start is not rehearsed, with code and next step", async () => {
  const open = async () => {
    throw new HamletError("command.missing", "qemu-system-x86_64 is not installed", { hint: "install it" });
  };
  const rehearsal = await rehearse({ open, onStage() {} }, [subject("nuc")], about);
  expect(rehearsalText(rehearsal)).toEqual([
    "nuc, 0.1.0 -> 0.2.0: not rehearsed, command.missing: qemu-system-x86_64 is not installed (install it)",
    "",
    "0.2.0: not rehearsed",
    "see it again: hamlet rollout rehearse --release 0.2.0 --seed 7",
  ]);
  expect(rehearsal.boards[0]).toMatchObject({
    reason: "command.missing: qemu-system-x86_64 is not installed (install it)",
    scenarios: [],
  });
});

test("stopped in the middle it ends at once, and the stage is gone", async () => {
  const over = new AbortController();
  const stage = fakeStage({
    ...{ from, release },
    onPause(nowMs) {
      if (nowMs > 10_000) over.abort();
      over.signal.throwIfAborted();
    },
  });
  await expect(rehearse({ open: async () => stage, onStage() {} }, [subject("nuc")], about)).rejects.toThrow("abort");
  expect(stage.isClosed()).toBe(true);
  expect(stage.now()).toBeLessThan(11_000);
});

test("the code of one failed scenario outweighs boards that were not rehearsed", async () => {
  const { rehearsal } = await rehearseOn({ failing: "trial.meshDown" }, ["rpi5", "nuc"]);
  expect(rehearsal.verdict).toBe("no-go");
});

test("nothing at all is not go", async () => {
  const rehearsal = await rehearse({ open: async () => fakeStage({ from, release }), onStage() {} }, [], about);
  expect(rehearsal.verdict).toBe("not rehearsed");
});
