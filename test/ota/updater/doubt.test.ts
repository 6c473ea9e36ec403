// A release that reached nobody: it failed if the release before reaches somebody, and has no verdict if that one reaches nobody either.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { endOfDoubt, isDoubtful, lookAround } from "../../../ota/updater/doubt.ts";
import type { Armed } from "../../../ota/updater/state.ts";
import type { Evidence, UpdateReport } from "../../../provisioning/handover/update.ts";
import { healthy } from "./agent.ts";
import { type Bench, makeBench } from "./bench.ts";

const armed: Armed = {
  ...{ from: { slot: "a", version: "1.0" }, to: { slot: "b", version: "1.1" }, rootHash: "aa", bootId: "one" },
  ...{ atMs: 5, failedUnits: [], alive: ["cellar"], hadMesh: true, hadTelemetry: true },
};
const doubtOf = (...missing: string[]) => ({ armed, doubt: { missing, log: ["a line"] } });
const company: Evidence = {
  ...healthy,
  verdictSeconds: 60,
  handshakes: ["cellar"],
  alive: ["cellar"],
  telemetry: "up",
};
const nobody: Evidence = { ...healthy, telemetry: "down" };

test("only what others have a part in leaves a doubt", () => {
  expect(isDoubtful(["trial.noHandshake", "trial.noGossip", "trial.noTelemetry"], [])).toBe(true);
  expect(isDoubtful(["trial.noTelemetry"], [])).toBe(true);
  expect(isDoubtful(["trial.meshDown", "trial.noHandshake", "trial.noGossip"], [])).toBe(false);
  expect(isDoubtful(["trial.agentDown", "trial.noGossip"], [])).toBe(false);
  expect(isDoubtful([], [])).toBe(false);
});

const confirmation = { by: "cellar", handshake: true, gossip: false, connection: true };
test("a witness that answers and does not confirm leaves no doubt, and one that is gone does", () => {
  expect(isDoubtful(["trial.noGossip", "trial.noWitness"], [confirmation])).toBe(false);
  expect(isDoubtful(["trial.noGossip", "trial.noWitness"], [])).toBe(true);
  expect(isDoubtful(["trial.noTelemetry"], [{ ...confirmation, gossip: true }])).toBe(true);
});

test("the release before fails the trial by a witness that confirms it, and only by one that confirms all", () => {
  const one = doubtOf("trial.noWitness");
  const watched = { ...one, armed: { ...armed, witnesses: { self: "attic", members: [{ id: "cellar", key: "" }] } } };
  expect(lookAround(watched, company, [{ ...confirmation, gossip: true }], false)).toBe("failed");
  expect(lookAround(watched, company, [confirmation], false)).toBe("looking");
  expect(lookAround(watched, company, [confirmation], true)).toBe("void");
  expect(lookAround(watched, company, [], true)).toBe("void");
});

test.each<[string, Evidence | undefined, "failed" | "void"]>([
  ["reaches nobody either", nobody, "void"],
  ["reaches a member", company, "failed"],
  ["has a handshake and no gossip", { ...nobody, handshakes: ["cellar"] }, "failed"],
  ["hears of members that were not there before", { ...nobody, alive: ["attic"], handshakes: ["attic"] }, "void"],
  ["has no mesh itself", { ...nobody, hasMesh: false }, "failed"],
  ["says nothing", undefined, "failed"],
])("if the release before %s, the trial is over as it should be", (_, evidence, outcome) => {
  const one = doubtOf("trial.noHandshake", "trial.noGossip");
  expect(lookAround(one, evidence, [], true)).toBe(outcome);
  // Only a member that is reached ends it before its time.
  expect(["looking", "failed"]).toContain(lookAround(one, evidence, [], false));
  if (outcome === "void") expect(lookAround(one, evidence, [], false)).toBe("looking");
});

test("a broker that the release before does not reach either excuses missing telemetry, and nothing else does", () => {
  expect(lookAround(doubtOf("trial.noTelemetry"), { ...company, telemetry: "down" }, [], true)).toBe("void");
  expect(lookAround(doubtOf("trial.noTelemetry"), { ...nobody, telemetry: "up" }, [], false)).toBe("failed");
});

test("the end keeps the trial's log, and says whose fault it was not", () => {
  const one = doubtOf("trial.noHandshake", "trial.noGossip");
  expect(endOfDoubt(one, "failed")).toMatchObject({ outcome: "failed", check: "trial.noHandshake", log: ["a line"] });
  expect(endOfDoubt(one, "void").message).toMatch(/; 1\.0 did no better$/);
});

test("checks of a later release, which this one does not know, lose no trial and excuse nothing that it knows", () => {
  const later = doubtOf("trial.noTwin", "trial.noGossip");
  expect(lookAround(later, company, [], false)).toBe("failed");
  expect(lookAround(later, nobody, [], true)).toBe("void");
  expect(endOfDoubt(later, "failed")).toMatchObject({
    check: "trial.noTwin",
    message: "a check that this release does not know",
  });
  expect(lookAround(doubtOf("trial.noTwin"), company, [], true)).toBe("void");
});

describe("a whole update while the other members are switched off", () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = await makeBench();
    bench.publish("1.1", { from: bench.first });
    const old = await bench.start();
    bench.agent.evidence = company;
    bench.agent.ask({ kind: "now" });
    await old.untilRestart();
    bench.agent.evidence = nobody;
    const trial = await bench.start({ kind: "reboot" });
    expect(trial).toMatchObject({ version: "1.1" });
    await trial.untilRestart();
  });
  afterEach(() => bench.close());
  const isInDoubt = ({ activity }: UpdateReport) =>
    activity.phase === "waiting" && activity.because.code === "trial.noHandshake" && activity.version === "1.1";

  test("has no verdict, is repeated after ten minutes, and kept when they are back", async () => {
    const back = await bench.start({ kind: "reboot" });
    expect(back).toMatchObject({ slot: "a", version: "1.0" });
    const unsure = await back.untilReport(isInDoubt);
    // Nobody hears of an end before there is one.
    expect(unsure).toMatchObject({ history: [], failed: [] });
    expect(unsure.fallback).toBeUndefined();
    const report = await back.untilReport(({ fallback }) => fallback !== undefined);
    expect(report).toMatchObject({ failed: [], activity: { phase: "waiting", version: "1.1" } });
    expect(report.fallback).toMatchObject({ outcome: "void", check: "trial.noHandshake", log: ["the last words"] });
    bench.agent.evidence = company;
    await back.untilRestart();
    const again = await bench.start({ kind: "reboot" });
    expect(again).toMatchObject({ version: "1.1" });
    const { history } = await again.untilReport((one) => one.history.length === 2);
    expect(history.map(({ outcome }) => outcome)).toEqual(["committed", "void"]);
    await again.stop();
  });

  test("has failed once the release before reaches one of them", async () => {
    bench.agent.evidence = company;
    const back = await bench.start({ kind: "reboot" });
    const report = await back.untilReport(({ fallback }) => fallback !== undefined);
    expect(report).toMatchObject({ failed: ["1.1"], activity: { phase: "idle" } });
    expect(report.fallback).toMatchObject({ outcome: "failed", check: "trial.noHandshake", log: ["the last words"] });
    await back.stop();
  });

  test("is looked at anew if power fails meanwhile", async () => {
    const back = await bench.start({ kind: "reboot" });
    await back.untilReport(isInDoubt);
    await back.stop();
    const after = await bench.start();
    const { fallback } = await after.untilReport((report) => report.fallback !== undefined);
    expect(fallback).toMatchObject({ outcome: "void", log: ["the last words"] });
    await after.stop();
  });
});
