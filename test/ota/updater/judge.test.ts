// What a trial must show, and when silence becomes failure.
import { expect, test } from "vitest";
import { type Expected, judge, type Observed, steadyMs, weigh } from "../../../ota/updater/judge.ts";

const expected: Expected = {
  rootHash: "aa",
  failedUnits: ["old.service"],
  alive: ["m1", "m2"],
  hadMesh: true,
  hadTelemetry: true,
};
const good: Observed = {
  ...{ rootHash: "aa", isDataLost: false, failedUnits: ["old.service"] },
  evidence: { phase: "member", hasPage: true, hasMesh: true, handshakes: ["m2"], alive: ["m2", "m9"], telemetry: "up" },
  confirmations: [],
};
const evidence = good.evidence!;

test("a release that does all that its predecessor did passes", () => {
  expect(judge(expected, good)).toEqual([]);
});

test.each([
  ["trial.wrongRoot", { rootHash: "bb" }],
  ["trial.wrongRoot", { rootHash: undefined }],
  ["trial.dataLost", { isDataLost: true }],
  ["trial.unitFailed", { failedUnits: ["old.service", "new.service"] }],
  // Silence is failure.
  ["trial.unitFailed", { failedUnits: undefined }],
  ["trial.pageDown", { evidence: { ...evidence, hasPage: false } }],
  ["trial.meshDown", { evidence: { ...evidence, hasMesh: false } }],
  // Members that were not there before prove nothing of the way back to those that were.
  ["trial.noHandshake", { evidence: { ...evidence, handshakes: ["m9"] } }],
  ["trial.noGossip", { evidence: { ...evidence, alive: ["m9"] } }],
  ["trial.noTelemetry", { evidence: { ...evidence, telemetry: "down" as const } }],
  ["trial.noTelemetry", { evidence: { ...evidence, telemetry: "none" as const } }],
])("%s fires", (code, change) => {
  expect(judge(expected, { ...good, ...change })).toEqual([code]);
});

const witnesses = { self: "m0", members: [{ id: "m1", key: "" }] };
const full = { by: "m1", handshake: true, gossip: true, connection: true };
test("if witnesses confirmed the release before, one of them must confirm all of it again", () => {
  const watched = { ...expected, witnesses };
  expect(judge(watched, { ...good, confirmations: [full] })).toEqual([]);
  expect(judge(watched, good)).toEqual(["trial.noWitness"]);
  const halves = [
    { ...full, handshake: false },
    { ...full, connection: false },
  ];
  expect(judge(watched, { ...good, confirmations: halves })).toEqual(["trial.noWitness"]);
  // A witness replaces none of the other checks.
  const lonely = { ...evidence, handshakes: [], alive: [] };
  expect(judge(watched, { ...good, evidence: lonely, confirmations: [full] })).toEqual([
    "trial.noHandshake",
    "trial.noGossip",
  ]);
});

test("an agent that is silent fails every check that it answers", () => {
  expect(judge(expected, { ...good, evidence: undefined })).toEqual([
    ...[
      "trial.agentDown",
      "trial.pageDown",
      "trial.meshDown",
      "trial.noHandshake",
      "trial.noGossip",
      "trial.noTelemetry",
    ],
  ]);
});

test("if no other member was alive before, local checks alone decide", () => {
  const alone = { ...expected, alive: [], hadTelemetry: false };
  const quiet = { ...evidence, handshakes: [], alive: [], telemetry: "none" as const };
  expect(judge(alone, { ...good, evidence: quiet })).toEqual([]);
  expect(judge(alone, { ...good, evidence: undefined })).toEqual([
    "trial.agentDown",
    "trial.pageDown",
    "trial.meshDown",
  ]);
});

test("a device without an identity has no mesh to start, a member that is alone has", () => {
  const alone = { ...expected, alive: [], hadTelemetry: false };
  const down = { ...good, evidence: { ...evidence, hasMesh: false, handshakes: [], alive: [] } };
  expect(judge({ ...alone, hadMesh: false }, down)).toEqual([]);
  expect(judge(alone, down)).toEqual(["trial.meshDown"]);
});

test("a release is committed once every check has held for a while, so an agent that crashes at once does not pass", () => {
  let watch = { deadlineMs: 180_000, passedSinceMs: undefined as number | undefined };
  const at = (now: number, ...waitsFor: Parameters<typeof weigh>[1]) => {
    const [next, verdict] = weigh(watch, waitsFor, now);
    watch = next;
    return verdict;
  };
  expect(at(1_000)).toBe("wait");
  expect(at(1_000 + steadyMs - 1, "trial.agentDown")).toBe("wait");
  expect(at(1_000 + steadyMs)).toBe("wait");
  expect(at(1_000 + 2 * steadyMs)).toBe("commit");
});

test("silence until the deadline is failure, by the gravest check that is left", () => {
  const watch = { deadlineMs: 180_000, passedSinceMs: undefined };
  expect(weigh(watch, ["trial.noHandshake", "trial.noGossip"], 179_999)[1]).toBe("wait");
  expect(weigh(watch, ["trial.noHandshake", "trial.noGossip"], 180_000)[1]).toEqual({ failed: "trial.noHandshake" });
});

test("what no time heals fails at once", () => {
  const watch = { deadlineMs: 180_000, passedSinceMs: undefined };
  expect(weigh(watch, ["trial.wrongRoot", "trial.agentDown"], 0)[1]).toEqual({ failed: "trial.wrongRoot" });
  expect(weigh(watch, ["trial.dataLost"], 0)[1]).toEqual({ failed: "trial.dataLost" });
});
