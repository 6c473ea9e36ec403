import { expect, test } from "vitest";
import { judge } from "../../../ota/updater/judge.ts";
import { healthy } from "./agent.ts";

const before = { rootHash: "a", failedUnits: ["old.service"], alive: ["cellar"], hadMesh: true, hadTelemetry: true };
const now = {
  rootHash: "a",
  isDataLost: false,
  failedUnits: ["old.service"],
  evidence: { ...healthy, handshakes: ["cellar"], alive: ["cellar"], telemetry: "up" as const },
};

test("a device that is as well as before passes every check", () => {
  expect(judge(before, now)).toEqual([]);
});

test("each check fails for its own reason", () => {
  const { evidence } = now;
  expect(judge(before, { ...now, rootHash: "b" })).toEqual(["trial.wrongRoot"]);
  expect(judge(before, { ...now, isDataLost: true })).toEqual(["trial.dataLost"]);
  expect(judge(before, { ...now, evidence: undefined })).toContain("trial.agentDown");
  expect(judge(before, { ...now, evidence: { ...evidence, hasPage: false } })).toEqual(["trial.pageDown"]);
  expect(judge(before, { ...now, failedUnits: ["old.service", "new.service"] })).toEqual(["trial.unitFailed"]);
  expect(judge(before, { ...now, evidence: { ...evidence, hasMesh: false } })).toEqual(["trial.meshDown"]);
  expect(judge(before, { ...now, evidence: { ...evidence, handshakes: ["stranger"] } })).toEqual(["trial.noHandshake"]);
  expect(judge(before, { ...now, evidence: { ...evidence, alive: [] } })).toEqual(["trial.noGossip"]);
  expect(judge(before, { ...now, evidence: { ...evidence, telemetry: "down" } })).toEqual(["trial.noTelemetry"]);
});

test("a device that was alone is judged by itself, and its mesh must start all the same", () => {
  const alone = { ...before, alive: [], hadTelemetry: false };
  const evidence = { ...healthy, handshakes: [], alive: [] };
  expect(judge(alone, { ...now, evidence })).toEqual([]);
  expect(judge(alone, { ...now, evidence: { ...evidence, hasMesh: false } })).toEqual(["trial.meshDown"]);
  expect(judge({ ...alone, hadMesh: false }, { ...now, evidence: { ...evidence, hasMesh: false } })).toEqual([]);
});
