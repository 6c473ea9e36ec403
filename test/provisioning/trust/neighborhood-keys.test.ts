import { expect, test } from "vitest";
import { generateSigningKey, type SigningKey } from "../../../provisioning/trust/keys.ts";
import { type NeighborhoodKeys, signSuccession, succeed } from "../../../provisioning/trust/neighborhood-keys.ts";
import { verifyToken } from "../../../provisioning/trust/token.ts";
import { makeStreet, makeToken, monday } from "../../street.ts";

const elm = makeStreet();
const [third, fourth] = [generateSigningKey(), generateSigningKey()];
const next = (key: SigningKey) => ({ successorKey: key.publicKey, revocations: [], stays: [], issuedAt: monday });
const first = await signSuccession(elm.keys, elm.successor, next(third));
const afterFirst = await succeed(elm.keys, [first]);
const second = await signSuccession(afterFirst, third, next(fourth));

test("the root passes to its successor, again and again, while the id stays", async () => {
  expect(afterFirst).toMatchObject({
    id: elm.keys.id,
    rootKey: elm.successor.publicKey,
    successorKey: third.publicKey,
  });
  const afterSecond = await succeed(elm.keys, [second, first, first]);
  expect(afterSecond).toMatchObject({ id: elm.keys.id, rootKey: third.publicKey, successorKey: fourth.publicKey });
  expect(await succeed(afterFirst, [first, second])).toEqual(afterSecond);
  expect(await succeed(afterSecond, [first])).toBe(afterSecond);
});

test("only the current successor can name the next root", async () => {
  const forged = await signSuccession(elm.keys, elm.root, next(third));
  await expect(succeed(elm.keys, [forged])).rejects.toMatchObject({ refusal: "badSignature" });
  await expect(succeed(elm.keys, [second])).rejects.toMatchObject({ refusal: "badSignature" });
  const elsewhere: NeighborhoodKeys = { ...elm.keys, id: makeStreet().keys.id };
  const foreign = await signSuccession(elsewhere, elm.successor, next(third));
  await expect(succeed(elm.keys, [foreign])).rejects.toMatchObject({ refusal: "wrongNeighborhood" });
  const skipping = await signSuccession(afterFirst, elm.successor, next(third));
  await expect(succeed(elm.keys, [skipping])).rejects.toMatchObject({ refusal: "badContent" });
});

test("verification tells whether the current or a former root signed a token", async () => {
  const old = await makeToken(elm);
  expect((await verifyToken(old.jws, elm.keys)).byFormerRoot).toBe(false);
  expect((await verifyToken(old.jws, afterFirst)).byFormerRoot).toBe(true);
  const fresh = await makeToken({ root: elm.successor, keys: afterFirst });
  expect((await verifyToken(fresh.jws, afterFirst)).byFormerRoot).toBe(false);
  await expect(verifyToken(fresh.jws, elm.keys)).rejects.toMatchObject({ refusal: "tokenForged" });
});
