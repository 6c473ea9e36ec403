import fc from "fast-check";
import { expect, test } from "vitest";
import { Nonces } from "../../../agent/discovery/nonces.ts";
import { isProof, proofOf, seal, type Talk, unseal } from "../../../agent/discovery/seal.ts";

test("a nonce counts once, for whom it was given to, for ten seconds, until the next start", () => {
  const nonces = new Nonces(Buffer.alloc(32, 1));
  const nonce = nonces.give("attic", "n", 1_000);
  const isFresh = (at: number, asker = "attic", own = "n", of = nonces) => of.isFresh(nonce, asker, own, at);
  expect([isFresh(1_000), isFresh(11_000), isFresh(11_001)]).toEqual([true, true, false]);
  expect([isFresh(1_000, "cellar"), isFresh(1_000, "attic", "m")]).toEqual([false, false]);
  expect(isFresh(1_000, "attic", "n", new Nonces(Buffer.alloc(32, 2)))).toBe(false);
  nonces.use(nonce, 2_000);
  expect(isFresh(2_000)).toBe(false);
  // Still, whatever members have said meanwhile.
  for (let n = 0; n < 4_000; n++) nonces.use(nonces.give("cellar", `${n}`, 2_000), 2_000);
  expect(isFresh(2_001)).toBe(false);
});

test("no other string is a nonce", () => {
  const nonces = new Nonces(Buffer.alloc(32, 1));
  const nonce = nonces.give("attic", "n", 1_000);
  const bent = fc.tuple(fc.nat(nonce.length - 1), fc.constantFrom(..."aZ9_-"));
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), bent), (change) => {
      const other =
        typeof change === "string" ? change : nonce.slice(0, change[0]) + change[1] + nonce.slice(change[0] + 1);
      fc.pre(other !== nonce);
      expect(nonces.isFresh(other, "attic", "n", 1_000)).toBe(false);
    }),
  );
});

const talk: Talk = { neighborhood: "elm", asker: "a", askerNonce: "1", answerer: "b", answererNonce: "2" };

test("a proof and what is sealed count in one talk, for one side", () => {
  const sealed = seal(talk, "asker", { record: "r" });
  expect([isProof(talk, proofOf(talk)), unseal(talk, "asker", sealed)]).toEqual([true, { record: "r" }]);
  expect(unseal(talk, "answerer", sealed)).toBeUndefined();
  for (const part of Object.keys(talk)) {
    const other = { ...talk, [part]: "x" };
    expect([part, isProof(other, proofOf(talk)), unseal(other, "asker", sealed)]).toEqual([part, false, undefined]);
  }
});

test("no other bytes unseal, and none make it throw", () => {
  const sealed = Buffer.from(seal(talk, "asker", { record: "r" }), "base64url");
  const bits = fc.tuple(fc.nat(sealed.length - 1), fc.integer({ min: 1, max: 255 }));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), bits), (change) => {
      const bytes = Buffer.from(change instanceof Uint8Array ? change : sealed);
      if (!(change instanceof Uint8Array)) bytes[change[0]]! ^= change[1];
      expect(unseal(talk, "asker", bytes.toString("base64url"))).toBeUndefined();
      expect(isProof(talk, bytes.toString("base64url"))).toBe(false);
    }),
  );
});
