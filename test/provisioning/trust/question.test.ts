import { expect, test } from "vitest";
import { signAnswer, verifyAnswer } from "../../../provisioning/trust/answer.ts";
import { sign } from "../../../provisioning/trust/jws.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import { signOperator } from "../../../provisioning/trust/operator.ts";
import {
  type Asked,
  type Asker,
  type Question,
  signQuestion,
  verifyQuestion,
} from "../../../provisioning/trust/question.ts";
import { questionRefusalCodes, type RefusalCode } from "../../../provisioning/trust/refusal.ts";
import { addRevocation, noRevocations, signRevocation } from "../../../provisioning/trust/revocation.ts";
import { generateBoxKey } from "../../../provisioning/trust/sealed-box.ts";
import { makeDevice, makeStreet, makeToken, monday, recordOf, trustOf } from "../../street.ts";

const [elm, oak] = [makeStreet(), makeStreet()];
const [attic, cellar] = [
  await makeDevice(elm, await makeToken(elm), "attic"),
  await makeDevice(elm, await makeToken(elm)),
];
const operator = generateSigningKey();
const certified = (street = elm) =>
  signOperator(
    { v: 1, neighborhood: street.keys.id, key: operator.publicKey, name: "owner", issuedAt: monday },
    street.root,
  );
const asOperator: Asker = { key: operator, certificate: await certified() };

const question: Question = {
  ...{ v: 1, neighborhood: elm.keys.id, device: attic.id, nonce: "n".repeat(32) },
  ...{ replyKey: generateBoxKey().publicKey, issuedAt: monday, kind: "status", with: {} },
};
/** What attic knows; each nonce is good once. */
function asked(change: Partial<Asked> = {}): Asked {
  const given = new Set([`${question.nonce} ${question.replyKey}`]);
  const spend = (nonce: string, replyKey: string) => given.delete(`${nonce} ${replyKey}`);
  return { device: attic.id, neighborhood: elm.keys, revocations: noRevocations, spend, ...change };
}

test("the root, and an operator with its certificate, ask a device", async () => {
  for (const asker of [{ key: elm.root }, asOperator]) {
    expect(await verifyQuestion(await signQuestion(question, asker), asked())).toEqual(question);
  }
});

test("each refusal has its code", async () => {
  const signed = await signQuestion(question, asOperator);
  const revoked = await signRevocation(
    {
      ...{ v: 1, neighborhood: elm.keys.id, number: monday, issuedAt: monday },
      revoke: { kind: "operator", key: operator.publicKey },
    },
    elm.root,
  );
  const used = asked();
  await verifyQuestion(signed, used);
  const said = (change: Partial<Question>) => signQuestion({ ...question, ...change }, asOperator);
  const cases: [RefusalCode, string, Parameters<typeof verifyQuestion>][] = [
    ["staleNonce", "asked a second time", [signed, used]],
    ["staleNonce", "with a nonce that was never given", [await said({ nonce: "m".repeat(32) }), asked()]],
    [
      "staleNonce",
      "for another reply key than the nonce was given for",
      [await said({ replyKey: generateBoxKey().publicKey }), asked()],
    ],
    ["wrongDevice", "to another device", [signed, asked({ device: cellar.id })]],
    ["wrongNeighborhood", "about another neighborhood", [await said({ neighborhood: oak.keys.id }), asked()]],
    [
      "operatorRevoked",
      "by a revoked operator",
      [signed, asked({ revocations: await addRevocation(noRevocations, revoked, elm.keys) })],
    ],
    ["badSignature", "by another neighborhood's root", [await signQuestion(question, { key: oak.root }), asked()]],
    [
      "badSignature",
      "by an operator of another root",
      [await signQuestion(question, { key: operator, certificate: await certified(oak) }), asked()],
    ],
    [
      "badSignature",
      "by a device, with an operator's certificate",
      [await signQuestion(question, { key: cellar.key, certificate: asOperator.certificate! }), asked()],
    ],
    [
      "badSignature",
      "by the operator without its certificate",
      [await signQuestion(question, { key: operator }), asked()],
    ],
    ["badContent", "of no kind", [await said({ kind: "../status" }), asked()]],
    ["tooLarge", "of 5 kB", [await said({ with: { name: "x".repeat(4 << 10) } }), asked()]],
    [
      "wrongType",
      "that is another document",
      [{ question: await sign("hamlet-adoption", question, elm.root) }, asked()],
    ],
    ["malformed", "that is no JWS", [{ question: "a.b.c" }, asked()]],
  ];
  for (const [code, what, args] of cases) {
    const refusal = await verifyQuestion(...args).then(
      () => "accepted",
      (error) => error.refusal,
    );
    expect([what, refusal]).toEqual([what, code]);
  }
  expect(cases.map(([code]) => code)).toEqual(expect.arrayContaining([...questionRefusalCodes]));
});

test("a refused question spends no nonce", async () => {
  const at = asked();
  const forged = await signQuestion(question, { key: oak.root });
  await expect(verifyQuestion(forged, at)).rejects.toMatchObject({ refusal: "badSignature" });
  expect(await verifyQuestion(await signQuestion(question, asOperator), at)).toEqual(question);
});

test("an answer counts if the device that was asked signed it for this question, and is of the neighborhood", async () => {
  const { question: jws } = await signQuestion(question, asOperator);
  const wanted = { question: jws, device: attic.id, trust: trustOf(elm.keys) };
  const answer = signAnswer("fine", await recordOf(attic), jws, attic.key);
  expect(await verifyAnswer(answer, wanted)).toBe("fine");

  const stranger = await makeDevice(oak, await makeToken(oak));
  const again = { ...wanted, question: (await signQuestion(question, { key: elm.root })).question };
  const byStranger = signAnswer("fine", await recordOf(stranger), jws, stranger.key);
  const cases: [RefusalCode, ...Parameters<typeof verifyAnswer>][] = [
    ["badSignature", { ...answer, text: "burning" }, wanted],
    ["badSignature", answer, again],
    ["wrongDevice", signAnswer("fine", await recordOf(cellar), jws, cellar.key), wanted],
    ["wrongNeighborhood", byStranger, { ...wanted, device: stranger.id }],
  ];
  for (const [refusal, ...args] of cases) await expect(verifyAnswer(...args)).rejects.toMatchObject({ refusal });
});
