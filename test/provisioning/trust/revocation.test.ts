import fc from "fast-check";
import { expect, test } from "vitest";
import { digestOf } from "../../../provisioning/trust/jws.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import { signSuccession, succeed } from "../../../provisioning/trust/neighborhood-keys.ts";
import { signOperator, verifyOperator } from "../../../provisioning/trust/operator.ts";
import {
  addRevocation,
  addRevocations,
  nextNumber,
  noRevocations,
  type Revocation,
  revocationsBeyond,
  signRevocation,
} from "../../../provisioning/trust/revocation.ts";
import { makeDevice, makeStreet, makeToken, monday } from "../../street.ts";

const elm = makeStreet();
const token = await makeToken(elm);
const [attic, cellar, porch] = await Promise.all([1, 2, 3].map(() => makeDevice(elm, token)));
const tokenId = token.certificate.id;
const operatorKey = generateSigningKey().publicKey;
const numbered = (number: number, revoke: Revocation["revoke"], signer = elm.root, neighborhood = elm.keys.id) =>
  signRevocation({ v: 1, neighborhood, number, issuedAt: monday, revoke }, signer);

const operatorOut = { kind: "operator" as const, key: operatorKey };
const documents = await Promise.all([
  numbered(1, { kind: "device", device: attic!.id, token: tokenId, stays: [cellar!.id] }),
  numbered(2, { kind: "device", device: porch!.id, token: tokenId, stays: [] }),
  numbered(3, { kind: "token", token: tokenId, stays: [attic!.id, cellar!.id] }),
  numbered(4, { kind: "token", token: tokenId, stays: [cellar!.id] }),
  numbered(4, operatorOut),
]);

test("documents in any order and any number of times give the same set", async () => {
  const { revocations: straight } = await addRevocations(noRevocations, documents, elm.keys);
  expect(straight).toMatchObject({
    number: 4,
    devices: new Set([attic!.id, porch!.id]),
    closures: new Map([[tokenId, [1, 2, 3, 4].map((number) => expect.objectContaining({ number }))]]),
    operators: new Set([operatorKey]),
  });
  const shuffled = fc.shuffledSubarray([...documents, ...documents], { minLength: documents.length * 2 });
  await fc.assert(
    fc.asyncProperty(shuffled, async (order) => {
      const { revocations, refused } = await addRevocations(noRevocations, order, elm.keys);
      expect(revocations).toEqual(straight);
      expect(refused).toEqual([]);
    }),
    { numRuns: 30 },
  );
});

test("a document that arrives early counts at once, and digests show that an earlier one is missing", async () => {
  const early = await addRevocation(noRevocations, documents[1]!, elm.keys);
  expect(revocationsBeyond(early, [])).toEqual([documents[1]]);
  expect(early.devices.has(porch!.id)).toBe(true);
  const both = await addRevocation(early, documents[0]!, elm.keys);
  expect(both.number).toBe(2);
  expect(
    revocationsBeyond(
      both,
      early.documents.map(({ digest }) => digest),
    ),
  ).toEqual([documents[0]]);
  expect(await addRevocation(both, documents[0]!, elm.keys)).toBe(both);
});

test("only documents by the root count, and bad ones do not affect good ones", async () => {
  const revoke = { kind: "device" as const, device: cellar!.id, token: tokenId, stays: [] };
  const { revocations, refused } = await addRevocations(
    noRevocations,
    [
      await numbered(1, revoke, attic!.key),
      await numbered(1, revoke, elm.root, makeStreet().keys.id),
      "garbage",
      token.jws,
      documents[0]!,
    ],
    elm.keys,
  );
  expect(refused.map(({ refusal }) => refusal)).toEqual([
    "badSignature",
    "wrongNeighborhood",
    "malformed",
    "wrongType",
  ]);
  expect(revocations.devices).toEqual(new Set([attic!.id]));
});

test("a neighborhood that was recovered from paper goes on above the numbers that it does not know", async () => {
  expect(nextNumber(noRevocations, monday)).toBe(monday);
  const { revocations } = await addRevocations(noRevocations, [await numbered(monday, operatorOut)], elm.keys);
  expect([nextNumber(revocations, monday - 1), nextNumber(revocations, monday + 9)]).toEqual([monday + 1, monday + 9]);
});

test("two revocations with one number both count, and who lacks one gets it", async () => {
  const second = await numbered(1, operatorOut);
  const { revocations } = await addRevocations(noRevocations, [documents[0]!, second], elm.keys);
  expect(revocations.documents).toHaveLength(2);
  expect(revocationsBeyond(revocations, [digestOf(documents[0]!)])).toEqual([second]);
});

test("t11-former-root: of a replaced root exactly the revocations count that its successor named, whatever their numbers", async () => {
  const next = { successorKey: generateSigningKey().publicKey, stays: [], issuedAt: monday };
  const named = documents.slice(0, 2).map(digestOf);
  const keys = await succeed(elm.keys, [
    await signSuccession(elm.keys, elm.successor, { ...next, revocations: named }),
  ]);
  const { revocations, refused } = await addRevocations(noRevocations, documents, keys);
  expect(revocations.documents.map(({ digest }) => digest).sort()).toEqual(named.sort());
  expect(refused).toHaveLength(3);
  const thief = (number: number) =>
    numbered(number, { kind: "device", device: cellar!.id, token: tokenId, stays: [] }, elm.root);
  for (const number of [1, 2, 3, monday]) {
    const { refused: thiefs } = await addRevocations(revocations, [await thief(number)], keys);
    expect(thiefs).toMatchObject([{ refusal: "badSignature" }]);
  }
  const byNewRoot = await numbered(3, { kind: "device", device: cellar!.id, token: tokenId, stays: [] }, elm.successor);
  expect((await addRevocation(revocations, byNewRoot, keys)).number).toBe(3);
  // A second change of root forgets none that the first one named.
  const third = generateSigningKey();
  const again = await succeed(elm.keys, [
    await signSuccession(elm.keys, elm.successor, { ...next, successorKey: third.publicKey, revocations: named }),
  ]);
  const after = await succeed(again, [await signSuccession(again, third, { ...next, revocations: [] })]);
  expect((await addRevocations(noRevocations, documents, after)).revocations.documents).toHaveLength(2);
});

test("an operator key is valid if this neighborhood's root has certified it and not revoked it", async () => {
  const operator = generateSigningKey();
  const content = {
    v: 1 as const,
    neighborhood: elm.keys.id,
    key: operator.publicKey,
    name: "owner",
    issuedAt: monday,
  };
  const certificate = await signOperator(content, elm.root);
  expect(await verifyOperator(certificate, elm.keys, noRevocations)).toEqual(content);
  const gone = await addRevocation(
    noRevocations,
    await numbered(1, { kind: "operator", key: operator.publicKey }),
    elm.keys,
  );
  await expect(verifyOperator(certificate, elm.keys, gone)).rejects.toMatchObject({ refusal: "operatorRevoked" });
  await expect(verifyOperator(certificate, makeStreet().keys, noRevocations)).rejects.toMatchObject({
    refusal: "badSignature",
  });
  await expect(verifyOperator(await signOperator(content, operator), elm.keys, noRevocations)).rejects.toMatchObject({
    refusal: "badSignature",
  });
});
