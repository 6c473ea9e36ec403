import { expect, test } from "vitest";
import { makeProofs } from "../../../agent/cluster/proofs.ts";
import { person } from "./members.ts";

const [attic, cellar, stranger] = [person(1), person(2), person(3)];
const proofs = makeProofs(attic, (id) => (id === cellar.id ? cellar.key.publicKey : undefined));
const claim = { id: cellar.id, incarnation: 3, state: "alive" } as const;

test("accepts a claim with its subject's signature, and no changed one", () => {
  const signature = cellar.signLiveness(claim);
  expect(signature).toMatch(/^[A-Za-z0-9_-]{86}$/);
  expect(proofs.verify(claim, signature)).toBe(true);
  expect(proofs.verify({ ...claim, incarnation: 4 }, signature)).toBe(false);
  expect(proofs.verify({ ...claim, state: "left" }, signature)).toBe(false);
});

test("no member can sign for another, and no stranger for anyone", () => {
  expect(proofs.verify(claim, attic.signLiveness(claim))).toBe(false);
  expect(proofs.verify({ ...claim, id: stranger.id }, stranger.signLiveness({ ...claim, id: stranger.id }))).toBe(
    false,
  );
  expect(proofs.verify(claim, "")).toBe(false);
});

test("recognises our own claim from a former life, and no forged one", () => {
  const own = { id: attic.id, incarnation: 9, state: "alive" } as const;
  expect(proofs.verify(own, attic.signLiveness(own))).toBe(true);
  expect(proofs.verify(own, cellar.signLiveness(own))).toBe(false);
});
