import { expect, test } from "vitest";
import { makeProofs } from "../../../agent/cluster/proofs.ts";
import { person } from "./members.ts";

const [attic, cellar, stranger] = [person(1), person(2), person(3)];
const proofs = makeProofs(attic, (id) => (id === cellar.id ? cellar.key.publicKey : undefined));
const claim = { id: cellar.id, incarnation: 3, state: "alive" } as const;

test("a claim is believed under its subject's signature, word for word", () => {
  const signature = cellar.signLiveness(claim);
  expect(signature).toMatch(/^[A-Za-z0-9_-]{86}$/);
  expect(proofs.verify(claim, signature)).toBe(true);
  expect(proofs.verify({ ...claim, incarnation: 4 }, signature)).toBe(false);
  expect(proofs.verify({ ...claim, state: "left" }, signature)).toBe(false);
});

test("nobody signs for another, and a stranger for nobody", () => {
  expect(proofs.verify(claim, attic.signLiveness(claim))).toBe(false);
  expect(proofs.verify({ ...claim, id: stranger.id }, stranger.signLiveness({ ...claim, id: stranger.id }))).toBe(
    false,
  );
  expect(proofs.verify(claim, "")).toBe(false);
});

test("our own word from a former life is known again, a forged one is not", () => {
  const own = { id: attic.id, incarnation: 9, state: "alive" } as const;
  expect(proofs.verify(own, attic.signLiveness(own))).toBe(true);
  expect(proofs.verify(own, cellar.signLiveness(own))).toBe(false);
});
