import { expect, test } from "vitest";
import { makeOwnStatus } from "../../../agent/api/own-status.ts";
import { PublicStatus, Status } from "../../../agent/api/schema.ts";
import type { Identity } from "../../../agent/identity.ts";
import type { MemberLife } from "../../../agent/life.ts";
import { type Phase, phaseOf } from "../../../agent/phase.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";

const deviceKey = generateSigningKey().publicKey;
const neighborhood = { id: "n".repeat(26) };
const identity = { name: "attic", address: "fd12::a1", neighborhood, neighborhoodName: "Elm Street" } as Identity;
const warning = (code: string) => ({ code, message: "m", hint: "h", since: 1 });
const report = { members: [], pending: [], neighbors: [], broker: "b".repeat(26), tuning: [] };
const life = (isPending: boolean) =>
  ({ isPending: () => isPending, report: async () => report }) as unknown as MemberLife;

function statusOf(phase: Phase) {
  const publicWarnings = () => [warning("port.taken")];
  const warnings = () => [...publicWarnings(), warning("member.dead")];
  const device = { deviceKey, board: "nuc", release: "0.1.0", fallbackName: "nuc", internalDisk: undefined };
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
