import { expect, test } from "vitest";
import { makeOwnStatus } from "../../../agent/api/own-status.ts";
import { PublicStatus, Status } from "../../../agent/api/schema.ts";
import type { Identity } from "../../../agent/identity.ts";
import type { MemberLife } from "../../../agent/life.ts";
import { type Phase, phaseOf } from "../../../agent/phase.ts";
import type { UpdateReport } from "../../../provisioning/handover/update.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";

const deviceKey = generateSigningKey().publicKey;
const neighborhood = { id: "n".repeat(26) };
const identity = { name: "attic", address: "fd12::a1", neighborhood, neighborhoodName: "Elm Street" } as Identity;
const warning = (code: string) => ({ code, message: "m", hint: "h", since: 1 });
const report = { members: [], pending: [], neighbors: [], broker: "b".repeat(26), tuning: [] };
const update: UpdateReport = {
  v: 1,
  running: { slot: "b", version: "0.1.0" },
  activity: { phase: "idle" },
  failed: ["0.2.1"],
  fallback: { atMs: 1, from: "0.1.0", to: "0.2.1", outcome: "failed", check: "update.noMesh", log: ["line"] },
  history: [{ atMs: 1, from: "0.1.0", to: "0.2.1", outcome: "failed", check: "update.noMesh" }],
};
const life = (isPending: boolean) =>
  ({ isPending: () => isPending, report: async () => report }) as unknown as MemberLife;

function statusOf(phase: Phase) {
  const publicWarnings = () => [warning("port.taken")];
  const warnings = () => [...publicWarnings(), warning("member.dead")];
  const device = {
    deviceKey,
    board: "nuc",
    release: "0.1.0",
    fallbackName: "nuc",
    internalDisk: undefined,
    update: () => update,
  };
  return makeOwnStatus({ ...device, phase: () => phase, warnings, publicWarnings, uptimeS: () => 7 });
}

test.each([
  ["unprovisioned", "nuc", phaseOf(undefined, undefined)],
  ["pending", "attic", phaseOf(identity, undefined)],
  ["pending", "attic", phaseOf(identity, life(true))],
  ["member", "attic", phaseOf(identity, life(false))],
] as const)("both statuses say %s, by the name %s", async (phase, name, now) => {
  const source = statusOf(now);
  expect(Status.parse(await source.status())).toMatchObject({ phase, self: { name, uptimeS: 7 } });
  expect(PublicStatus.parse(source.publicStatus())).toMatchObject({ phase, name });
});

test("a member's status contains its report, its neighborhood and its address", async () => {
  expect(await statusOf(phaseOf(identity, life(false))).status()).toMatchObject({
    broker: "b".repeat(26),
    neighborhood: { id: neighborhood.id, name: "Elm Street" },
    self: { address: "fd12::a1" },
  });
});

test("strangers see fewer warnings", async () => {
  const source = statusOf(phaseOf(identity, life(false)));
  expect(source.publicStatus().warnings).toEqual([{ code: "port.taken", message: "m", hint: "h" }]);
  expect((await source.status()).warnings).toHaveLength(2);
});

test("the status tells what the updater does, without log and history; strangers get none of it", async () => {
  const source = statusOf(phaseOf(identity, life(false)));
  const { update: told } = Status.parse(await source.status());
  expect(told).toMatchObject({
    running: { version: "0.1.0" },
    failed: ["0.2.1"],
    fallback: { check: "update.noMesh" },
  });
  expect(told?.last).toMatchObject({ to: "0.2.1", outcome: "failed" });
  expect(JSON.stringify(told)).not.toMatch(/line|history/);
  expect(JSON.stringify(source.publicStatus())).not.toContain("0.2.1");
});

test("a status of a release that knows no updates is still read", async () => {
  const { update: _, ...older } = await statusOf(phaseOf(identity, life(false))).status();
  expect(Status.parse(older).update).toBeUndefined();
});
