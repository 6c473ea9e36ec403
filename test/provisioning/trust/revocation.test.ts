import fc from "fast-check";
import { expect, test } from "vitest";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import { signSuccession, succeed } from "../../../provisioning/trust/neighborhood-keys.ts";
import { signOperator, verifyOperator } from "../../../provisioning/trust/operator.ts";
import {
  addRevocation,
  addRevocations,
  noRevocations,
  type Revocation,
  revocationsAfter,
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

const documents = await Promise.all([
  numbered(1, { kind: "device", device: attic!.id, token: tokenId, stays: [cellar!.id] }),
  numbered(2, { kind: "device", device: porch!.id, token: tokenId, stays: [] }),
  numbered(3, { kind: "token", token: tokenId, stays: [attic!.id, cellar!.id] }),
  numbered(4, { kind: "token", token: tokenId, stays: [cellar!.id] }),
  numbered(4, { kind: "operator", key: operatorKey }),
]);

test("documents in any order and any number of times give the same set", async () => {
  const { revocations: straight } = await addRevocations(noRevocations, documents, elm.keys);
  expect(straight).toMatchObject({
    number: 4,
    devices: new Set([attic!.id, porch!.id]),
    closedTokens: new Map([[tokenId, new Set([cellar!.id])]]),
    tokens: new Map([[tokenId, { number: 4, stays: new Set([cellar!.id]) }]]),
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

test("a document that arrives early counts at once, and the number shows that an earlier one is missing", async () => {
  const early = await addRevocation(noRevocations, documents[1]!, elm.keys);
  expect(early.number).toBe(0);
  expect(early.devices.has(porch!.id)).toBe(true);
  const both = await addRevocation(early, documents[0]!, elm.keys);
  expect(both.number).toBe(2);
  expect(revocationsAfter(both, 1)).toEqual([documents[1]]);
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

test("a replaced root's revocations count up to the number fixed at its replacement, so a thief of its key can revoke no device", async () => {
  const next = { successorKey: generateSigningKey().publicKey, lastRevocation: 2, stays: [], issuedAt: monday };
  const keys = await succeed(elm.keys, [await signSuccession(elm.keys, elm.successor, next)]);
  const { revocations, refused } = await addRevocations(noRevocations, documents, keys);
  expect(revocations.number).toBe(2);
  expect(refused).toHaveLength(3);
  const byNewRoot = await numbered(3, { kind: "device", device: cellar!.id, token: tokenId, stays: [] }, elm.successor);
  expect((await addRevocation(revocations, byNewRoot, keys)).number).toBe(3);
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
  await expect(verifyOperator(certificate, elm.keys, gone)).rejects.toMatchObject({ refusal: "deviceRevoked" });
  await expect(verifyOperator(certificate, makeStreet().keys, noRevocations)).rejects.toMatchObject({
    refusal: "badSignature",
  });
  await expect(verifyOperator(await signOperator(content, operator), elm.keys, noRevocations)).rejects.toMatchObject({
    refusal: "badSignature",
  });
});
