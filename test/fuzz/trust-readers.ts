// Readers of what other devices and members say: signed documents, whose content is damaged and then signed again, and hellos, whose content
// is damaged and then sealed again.
import { sign as signBytes } from "node:crypto";
import { makeAnswer } from "../../agent/api/answers.ts";
import { NonceGiven } from "../../agent/api/questions.ts";
import { makeAnswering, makeSealedOrders } from "../../agent/discovery/answering.ts";
import { disclose, enclose } from "../../agent/discovery/envelope.ts";
import { makeHearing } from "../../agent/discovery/hearing.ts";
import { Proof } from "../../agent/discovery/hello.ts";
import { seal } from "../../agent/discovery/seal.ts";
import { parseSeed } from "../../agent/discovery/seeds.ts";
import { Results } from "../../agent/rollout/results.ts";
import { askWitnesses } from "../../agent/witness/ask.ts";
import { makeWitness } from "../../agent/witness/witness.ts";
import { admittedBy } from "../../provisioning/trust/admission.ts";
import { verifyAdoption } from "../../provisioning/trust/adoption.ts";
import { SignedAnswer, signAnswer, verifyAnswer } from "../../provisioning/trust/answer.ts";
import { verifyComeback } from "../../provisioning/trust/comeback.ts";
import { verifyForget } from "../../provisioning/trust/forget.ts";
import { verifyHold } from "../../provisioning/trust/hold.ts";
import { judgeRecord } from "../../provisioning/trust/judge.ts";
import { type DocumentType, digestOf } from "../../provisioning/trust/jws.ts";
import { generateSigningKey, type SigningKey } from "../../provisioning/trust/keys.ts";
import { signMemberCertificate } from "../../provisioning/trust/member-certificate.ts";
import { signSuccession, succeed } from "../../provisioning/trust/neighborhood-keys.ts";
import { verifyOperator } from "../../provisioning/trust/operator.ts";
import { signatureOf } from "../../provisioning/trust/order.ts";
import { verifyRejection } from "../../provisioning/trust/rejection.ts";
import { isReplacement, signReplacement } from "../../provisioning/trust/replacement.ts";
import { addRevocation, noRevocations, type Revocation } from "../../provisioning/trust/revocation.ts";
import { verifyRollout } from "../../provisioning/trust/rollout.ts";
import { addRollout, rolloutOrders } from "../../provisioning/trust/rollout-orders.ts";
import { generateBoxKey, sealTo } from "../../provisioning/trust/sealed-box.ts";
import { wireguardKeyOf, wireguardPrivateKeyOf } from "../../provisioning/trust/wireguard-key.ts";
import { verifyStatement } from "../../provisioning/trust/witness.ts";
import { parseJson } from "../../system/files.ts";
import {
  admit,
  makeDevice,
  makeOperator,
  makeStreet,
  makeToken,
  monday,
  recordOf,
  rolloutBy,
  trustOf,
} from "../street.ts";
import { mutateText } from "./mutate.ts";
import type { Reader } from "./reader.ts";

const elm = makeStreet();
const token = await makeToken(elm);
const [attic, cellar] = [await makeDevice(elm, token, "attic"), await makeDevice(elm, token, "cellar")];
const board = generateSigningKey();
const replaced = { neighborhood: elm.keys.id, former: cellar.id, heir: attic.id };
const replaces = signReplacement(replaced, board);
const admissions = [admit(elm.keys, attic, cellar)];
const origin = { deviceKey: cellar.key.publicKey, member: cellar.record.member };
const byOrigin = await signMemberCertificate(
  { neighborhood: elm.keys.id, token: token.certificate.id, deviceKey: attic.key.publicKey },
  cellar.key,
);

/** A JWS over exactly this text. */
function signed(typ: DocumentType, text: string, { privateKey }: SigningKey): string {
  const encoded = (part: string) => Buffer.from(part).toString("base64url");
  const content = `${encoded(JSON.stringify({ alg: "EdDSA", typ }))}.${encoded(text)}`;
  return `${content}.${signBytes(null, Buffer.from(content), privateKey).toString("base64url")}`;
}
const reader = (
  name: string,
  inputs: number,
  samples: readonly (object | string)[],
  read: (text: string) => unknown,
): Reader => ({
  ...{ name: `trust/${name}`, inputs },
  samples: async () => samples.map((one) => Buffer.from(typeof one === "string" ? one : JSON.stringify(one))),
  change: mutateText,
  read: async (input) => await read(input.toString("utf8")),
});

const common = { v: 1 as const, neighborhood: elm.keys.id, issuedAt: monday };
const revocation = (revoke: Revocation["revoke"]): Revocation => ({ ...common, number: monday, revoke });
const closes = { token: token.certificate.id, stays: [attic.id] };
const payloadOf = (jws: string): string => Buffer.from(jws.split(".")[1]!, "base64url").toString();
const next = { successorKey: generateSigningKey().publicKey, stays: [attic.id], issuedAt: monday };
const succession = await signSuccession(elm.keys, elm.successor, { ...next, revocations: [digestOf("a")] });

const operator = await makeOperator(elm);
const authority = { neighborhood: elm.keys, revocations: noRevocations, known: new Map() };
const order = { ...signatureOf(elm.keys.id, operator), number: 1, issuedAt: monday };

let questionMs = 0;
const witnessed = { by: cellar.id, key: cellar.key.publicKey, device: attic.id, nonce: "n".repeat(22) };
const seen = { handshakeS: 3, gossip: "boot-2", connection: "boot-2", duties: ["relay"] };
const witness = makeWitness({
  ...{ self: { id: cellar.id, key: cellar.key }, sight: () => ({ isAlive: true }), fetchRecord: async () => "" },
  // Nobody asks more than once a minute.
  clock: { now: () => 0, monotonic: () => 60_000 * questionMs++ },
});
const word = {
  ...common,
  device: attic.id,
  number: 1,
  rollout: "r".repeat(22),
  order: 1,
  release: "0.2.0",
  bootId: "b",
};
const words = [
  { ...word, outcome: "began", trialSeconds: 180 },
  { ...word, outcome: "failed", check: "trial.meshDown", rootHash: "a".repeat(64) },
];
const results = () =>
  new Results({ neighborhood: elm.keys.id, deviceKey: (id) => (id === attic.id ? attic.key.publicKey : undefined) });

const documents: Reader[] = [
  reader("result", 500, words, (text) => results().kind.offer(signed("hamlet-result", text, attic.key))),
  reader(
    "record",
    1_500,
    [
      { ...attic.record, admissions, replaces, boardIdentity: board.publicKey },
      { ...attic.record, origin, member: byOrigin },
    ],
    (text) => judgeRecord(signed("hamlet-record", text, attic.key), trustOf(elm.keys, [cellar])),
  ),
  reader("adoption", 1_500, [{ ...common, deviceKey: attic.key.publicKey, revocation: 3 }], (text) =>
    verifyAdoption(signed("hamlet-adoption", text, elm.root), elm.keys),
  ),
  reader("rejection", 1_500, [{ ...common, deviceKey: attic.key.publicKey }], (text) =>
    verifyRejection(signed("hamlet-rejection", text, elm.root), elm.keys),
  ),
  reader(
    "revocation",
    1_500,
    [
      revocation({ kind: "device", device: cellar.id, ...closes }),
      revocation({ kind: "token", ...closes }),
      revocation({ kind: "operator", key: attic.key.publicKey }),
    ],
    (text) => addRevocation(noRevocations, signed("hamlet-revocation", text, elm.root), elm.keys),
  ),
  reader("succession", 1_500, [payloadOf(succession)], (text) =>
    succeed(elm.keys, [signed("hamlet-succession", text, elm.successor)]),
  ),
  reader("operator", 1_500, [{ ...common, key: attic.key.publicKey, name: "owner" }], (text) =>
    verifyOperator(signed("hamlet-operator", text, elm.root), elm.keys, noRevocations),
  ),
  reader(
    "rollout",
    1_500,
    [rolloutBy(elm.keys, operator, { maxFailures: 1, window: "02:00-05:00", tag: "home" })],
    async (text) => {
      const read = await verifyRollout(signed("hamlet-rollout", text, operator.key), authority);
      return rolloutOrders(addRollout(new Map(), read), noRevocations);
    },
  ),
  reader("hold", 1_500, [{ ...order, device: attic.id, until: monday, reason: "film" }], (text) =>
    verifyHold(signed("hamlet-hold", text, operator.key), authority),
  ),
  reader("forget", 1_500, [{ ...order, device: attic.id }], (text) =>
    verifyForget(signed("hamlet-forget", text, operator.key), authority),
  ),
  reader(
    "comeback",
    1_000,
    [{ v: 1, neighborhood: elm.keys.id, deviceKey: attic.key.publicKey, forget: "f".repeat(43) }],
    (text) => verifyComeback(signed("hamlet-comeback", text, attic.key), elm.keys.id),
  ),
  reader("witness", 1_500, [{ v: 1, by: cellar.id, device: attic.id, nonce: witnessed.nonce, ...seen }], (text) =>
    verifyStatement(signed("hamlet-witness", text, cellar.key), witnessed),
  ),
  reader("witness-asked", 1_500, [{ v: 1, nonce: witnessed.nonce }], (text) => witness(attic.id, Buffer.from(text))),
  reader("witness-answer", 1_500, [{ v: 1, statement: "a.b.c" }], (text) =>
    askWitnesses({
      nonce: witnessed.nonce,
      members: [witnessed].map(({ by: id, key }) => ({ id, key })),
      ask: async () => Buffer.from(text),
    }),
  ),
  reader("words", 3_000, [admissions[0]!, replaces, `[fe80::1%eth0]:7780#${"k".repeat(43)}`], (text) => [
    admittedBy(text, { neighborhood: elm.keys.id, device: attic.id, token: token.certificate.id }, new Map()),
    admittedBy(
      text,
      { neighborhood: elm.keys.id, device: attic.id, token: token.certificate.id },
      new Map([[cellar.id, cellar.key.publicKey]]),
    ),
    isReplacement(text, replaced, board.publicKey),
    parseSeed(text, 7780),
  ]),
];

const hear = makeHearing({
  ...{ id: attic.id, neighborhood: elm.keys.id, wireguardKey: wireguardPrivateKeyOf(attic.key) },
  clock: { monotonic: () => 0 },
  onHello: async (hello) => hello,
});
const question = { id: cellar.id, nonce: "n".repeat(22) };
const hello = {
  ...{ record: await recordOf(cellar), presence: "p".repeat(86), known: [digestOf("a")], revocations: [succession] },
  ...{ admission: admissions[0]!, called: "attic-2" },
};
const seedKey = Buffer.from(wireguardKeyOf(attic.key.publicKey)!, "base64").toString("base64url");
let askers = 0;

const [noNonce, noQuestion] = ["n".repeat(32), "the question"];
const asked = {
  ...{ v: 1, neighborhood: elm.keys.id, device: attic.id, nonce: noNonce, issuedAt: monday },
  ...{ replyKey: generateBoxKey().publicKey, kind: "status", with: {} },
};
const nothing = async () => ({});
const atticsOwn = {
  ...{ id: attic.id, key: attic.key, jws: await recordOf(attic), neighborhood: elm.keys },
  wireguard: { privateKey: wireguardPrivateKeyOf(attic.key), publicKey: wireguardKeyOf(attic.key.publicKey)! },
};
const takeSealedOrders = makeSealedOrders(atticsOwn, async () => []);
const takeQuestion = makeAnswering({
  identity: atticsOwn,
  // A nonce counts once, and each millisecond has another.
  ...{ revocations: () => noRevocations, clock: { monotonic: () => questionMs++ } },
  answer: makeAnswer({
    status: nothing,
    updateReport: nothing,
    rename: nothing,
    resetNonce: nothing,
    reset: nothing,
    update: nothing,
  }),
});
/** The text with a nonce that was given out just now, signed. */
async function askedNow(text: string): Promise<string> {
  const { nonce } = NonceGiven.parse(await takeQuestion({ replyKey: asked.replyKey }, "127.0.0.1"));
  return signed("hamlet-question", text.replaceAll(noNonce, nonce), operator.key);
}
const takeSealed = async (value: unknown) => takeQuestion({ box: await sealTo(seedKey, value) }, "127.0.0.1");
const answered = signAnswer("{}", await recordOf(attic), "a.b.c", attic.key);

const questions: Reader[] = [
  reader("nonce-asked", 3_000, [{ replyKey: asked.replyKey }], (text) => takeQuestion(parseJson(text), "127.0.0.1")),
  reader("owner-question", 700, [asked], async (text) =>
    takeSealed({ question: await askedNow(text), certificate: operator.certificate }),
  ),
  reader("sealed-question", 700, [{ question: noQuestion, certificate: operator.certificate }], async (text) => {
    const now = text.replaceAll(noQuestion, await askedNow(JSON.stringify(asked)));
    return await takeSealed(parseJson(now) ?? now);
  }),
  reader("sealed-orders", 700, [{ documents: ["a.b.c"], replyKey: asked.replyKey }], async (text) =>
    takeSealedOrders(await sealTo(seedKey, parseJson(text) ?? text)),
  ),
  reader("answer", 1_000, [answered], async (text) => {
    const answer = SignedAnswer.safeParse(parseJson(text));
    const wanted = { question: "a.b.c", device: attic.id, trust: trustOf(elm.keys) };
    return answer.success && (await verifyAnswer(answer.data, wanted));
  }),
];

const hellos: Reader[] = [
  reader("question", 3_000, [question, { ...question, other: 1 }], (text) => hear(parseJson(text), "127.0.0.1")),
  reader("hello", 1_500, [hello], async (text) => {
    // A nonce counts once.
    const asked = { ...question, nonce: `${askers++}`.padStart(22, "n") };
    const { nonce: answererNonce } = Proof.parse((await hear(asked, "127.0.0.1")).answer);
    const talk = { neighborhood: elm.keys.id, asker: cellar.id, askerNonce: asked.nonce };
    const sealed = seal({ ...talk, answerer: attic.id, answererNonce }, "asker", parseJson(text) ?? text);
    return await hear({ ...asked, answererNonce, sealed }, "127.0.0.1");
  }),
  reader("envelope", 500, [question], async (text) => {
    const { envelope, open } = await enclose(parseJson(text) ?? text, seedKey);
    const { message, answer } = await disclose(envelope, wireguardPrivateKeyOf(attic.key));
    return await open(await answer((await hear(message, "127.0.0.1")).answer));
  }),
  reader("jwe", 1_000, [(await enclose(question, seedKey)).envelope], (text) => hear(parseJson(text), "127.0.0.1")),
];

export const trustReaders: Reader[] = [...documents, ...hellos, ...questions];
