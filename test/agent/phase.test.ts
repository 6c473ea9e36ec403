import { expect, test } from "vitest";
import type { Identity } from "../../agent/identity.ts";
import type { MemberLife } from "../../agent/life.ts";
import { phaseOf } from "../../agent/phase.ts";

const identity = { id: "a" } as Identity;
const life = (isPending: boolean) => ({ isPending: () => isPending }) as MemberLife;

test("a device without an identity is unprovisioned", () => {
  expect(phaseOf(undefined, undefined)).toEqual({ phase: "unprovisioned" });
});

test("a device is pending until its mesh has started and a member has admitted it", () => {
  expect(phaseOf(identity, undefined)).toEqual({ phase: "pending", identity });
  expect(phaseOf(identity, life(true))).toMatchObject({ phase: "pending", life: expect.anything() });
  expect(phaseOf(identity, life(false))).toMatchObject({ phase: "member", identity });
});
