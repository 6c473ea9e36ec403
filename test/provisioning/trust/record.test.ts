import { expect, test } from "vitest";
import { signAdoption } from "../../../provisioning/trust/adoption.ts";
import { type Judgement, judgeRecord, type Trust } from "../../../provisioning/trust/judge.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import { signMemberCertificate } from "../../../provisioning/trust/member-certificate.ts";
import { meshAddress } from "../../../provisioning/trust/names.ts";
import { foundedBy, signSuccession, succeed } from "../../../provisioning/trust/neighborhood-keys.ts";
import { type MemberRecord, maxRecordChars, readRecord } from "../../../provisioning/trust/record.ts";
import { type RefusalCode, recordRefusalCodes } from "../../../provisioning/trust/refusal.ts";
import {
  addRevocations,
  noRevocations,
  type Revocation,
  signRevocation,
} from "../../../provisioning/trust/revocation.ts";
import { signToken } from "../../../provisioning/trust/token.ts";
import { wireguardKeyOf } from "../../../provisioning/trust/wireguard-key.ts";
import { admit, type Device, day, makeDevice, makeStreet, makeToken, monday, recordOf, trustOf } from "../../street.ts";

const elm = makeStreet();
const token = await makeToken(elm);
const attic = await makeDevice(elm, token, "attic");
const cellar = await makeDevice(elm, token, "cellar");
const late = { now: monday + 30 * day };

/** `member`, `member+` if it is to be countersigned, `member~` if taken on faith or by a clock that is behind, or the reason why not. */
const brief = (judgement: Judgement): string => {
  if (judgement.kind !== "member") return `${judgement.kind} ${judgement.because}`;
  return `member${judgement.countersign ? "+" : ["judged", "vouched"].includes(judgement.basis) ? "" : "~"}`;
};
const judge = async (jws: string, trust: Trust): Promise<string> => brief(await judgeRecord(jws, trust));
const revoke = async (...revoked: Revocation["revoke"][]) => {
  const documents = revoked.map((one, index) =>
    signRevocation({ v: 1, neighborhood: elm.keys.id, number: index + 1, issuedAt: monday, revoke: one }, elm.root),
  );
  return (await addRevocations(noRevocations, await Promise.all(documents), elm.keys)).revocations;
};
const adoptionOf = (device: Device, revocation = 0) =>
  signAdoption(
    { v: 1, neighborhood: elm.keys.id, deviceKey: device.key.publicKey, issuedAt: monday, revocation },
    elm.root,
  );

test("a newcomer with a valid token is a member and is countersigned", async () => {
  const judgement = await judgeRecord(await recordOf(attic), trustOf(elm.keys, [cellar]));
  expect(judgement).toMatchObject({ kind: "member", countersign: true, basis: "judged", record: attic.record });
  expect(judgement.kind === "member" && judgement.token.tags).toEqual(["home"]);
});

test("a device is pending, not refused, if its token is expired, over its maximum or needs confirmation", async () => {
  expect(await judge(await recordOf(attic), trustOf(elm.keys, [cellar], late))).toBe("pending tokenExpired");
  const full = trustOf(elm.keys, [cellar, await makeDevice(elm, token)]);
  expect(await judge(await recordOf(attic), full)).toBe("pending overMaximum");
  const shy = await makeDevice(elm, await makeToken(elm, { adopt: "confirm" }));
  expect(await judge(await recordOf(shy), trustOf(elm.keys, [cellar]))).toBe("pending needsConfirmation");
  expect(await judge(await recordOf(shy), trustOf(elm.keys))).toBe("pending needsConfirmation");
  // A token is valid up to and including its last moment.
  const lastMoment = { now: token.certificate.notAfter };
  expect(await judge(await recordOf(attic), trustOf(elm.keys, [cellar], lastMoment))).toBe("member+");
});

test("a known device, or one countersigned by a known member, is accepted at any date and over any maximum", async () => {
  const crowd = [cellar, attic, await makeDevice(elm, token), await makeDevice(elm, token)];
  expect(await judge(await recordOf(attic), trustOf(elm.keys, crowd, late))).toBe("member+");
  const vouched = await recordOf(attic, { admissions: [await admit(elm.keys, attic, cellar)] });
  const others = crowd.filter((device) => device !== attic);
  expect(await judge(vouched, trustOf(elm.keys, others, late))).toBe("member");
});

test("an admission counts only from a known member and for this device and token", async () => {
  const stranger = await makeDevice(elm, token);
  const otherToken = await makeToken(elm);
  const moved = { ...attic, token: otherToken };
  for (const admission of [
    await admit(elm.keys, attic, stranger),
    await admit(elm.keys, stranger, cellar),
    await admit(elm.keys, moved, cellar),
    await admit(makeStreet().keys, attic, cellar),
    await admit(elm.keys, attic, attic),
  ]) {
    const jws = await recordOf(attic, { admissions: [admission] });
    expect(await judge(jws, trustOf(elm.keys, [cellar], late))).toBe("pending tokenExpired");
  }
});

test("a device that knows no members ignores dates, and countersigns only what it could verify in full", async () => {
  expect(await judge(await recordOf(attic), trustOf(elm.keys))).toBe("member+");
  expect(await judge(await recordOf(attic), trustOf(elm.keys, [], late))).toBe("member~");
  // Nor does it later, when a device taken on faith has become known: otherwise newcomers would let in expired tokens.
  const bases = new Map([[attic.id, "faith" as const]]);
  const onFaith = trustOf(elm.keys, [attic], { ...late, bases });
  expect(await judge(await recordOf(attic), onFaith)).toBe("member~");
  // While the token is valid, it gets its countersignature again, in case the first one was lost.
  expect(await judge(await recordOf(attic), trustOf(elm.keys, [attic], { bases }))).toBe("member+");
  const introduced = await recordOf(cellar, { admissions: [await admit(elm.keys, cellar, attic)] });
  expect(await judge(introduced, onFaith)).toBe("member~");
});

test("a member whose vouchers are all gone gets a new countersignature", async () => {
  const porch = await makeDevice(elm, token, "porch");
  const jws = await recordOf(attic, { admissions: [await admit(elm.keys, attic, porch)] });
  expect(await judge(jws, trustOf(elm.keys, [attic, cellar, porch], late))).toBe("member");
  expect(await judge(jws, trustOf(elm.keys, [attic, cellar], late))).toBe("member+");
});

test("an adoption of the full key admits a device with an expired or closed token", async () => {
  const adoption = await adoptionOf(attic);
  expect(await judge(await recordOf(attic, { adoption }), trustOf(elm.keys, [cellar], late))).toBe("member+");
  for (const wrong of [
    await adoptionOf(cellar),
    await signAdoption(
      { v: 1, neighborhood: elm.keys.id, deviceKey: attic.key.publicKey, issuedAt: 0, revocation: 0 },
      cellar.key,
    ),
  ]) {
    expect(await judge(await recordOf(attic, { adoption: wrong }), trustOf(elm.keys, [cellar], late))).toBe(
      "pending tokenExpired",
    );
  }
});

test("a revoked device is refused, known or not, whoever vouches, and its admissions do not count", async () => {
  const revocations = await revoke({ kind: "device", device: cellar.id, token: token.certificate.id, stays: [] });
  const adopted = await recordOf(cellar, { adoption: await adoptionOf(cellar, 1) });
  const admitted = await recordOf(cellar, { admissions: [await admit(elm.keys, cellar, attic)] });
  for (const known of [[attic, cellar], [attic], []])
    for (const record of [await recordOf(cellar), admitted, adopted])
      expect(await judge(record, trustOf(elm.keys, known, { revocations }))).toBe("refused deviceRevoked");
  const vouched = await recordOf(attic, { admissions: [await admit(elm.keys, attic, cellar)] });
  expect(await judge(vouched, trustOf(elm.keys, [cellar], { revocations }))).toBe("refused tokenClosed");
});

test("revoking a device closes its token: nobody by it stays but whom the owner named or adopts later, whoever vouches", async () => {
  const gone = await makeDevice(elm, token);
  const close = { kind: "device" as const, device: gone.id, token: token.certificate.id };
  const closed = { revocations: await revoke({ ...close, stays: [cellar.id] }) };
  expect(await judge(await recordOf(attic), trustOf(elm.keys, [cellar], closed))).toBe("refused tokenClosed");
  expect(await judge(await recordOf(attic), trustOf(elm.keys, [attic], closed))).toBe("refused tokenClosed");
  const vouched = await recordOf(attic, { admissions: [await admit(elm.keys, attic, cellar)] });
  expect(await judge(vouched, trustOf(elm.keys, [cellar], closed))).toBe("refused tokenClosed");
  const before = await recordOf(attic, { adoption: await adoptionOf(attic) });
  expect(await judge(before, trustOf(elm.keys, [cellar], closed))).toBe("refused tokenClosed");
  const after = await recordOf(attic, { adoption: await adoptionOf(attic, 1) });
  expect(await judge(after, trustOf(elm.keys, [cellar], closed))).toBe("member+");
  const naming = { revocations: await revoke({ ...close, stays: [attic.id] }) };
  expect(await judge(await recordOf(attic), trustOf(elm.keys, [], naming))).toBe("member+");
});

test("a device has to pass each revocation of its token: named there, or adopted later", async () => {
  const all = { kind: "token" as const, token: token.certificate.id };
  const twice = { revocations: await revoke({ ...all, stays: [] }, { ...all, stays: [attic.id] }) };
  expect(await judge(await recordOf(attic), trustOf(elm.keys, [attic], twice))).toBe("refused tokenRevoked");
  const between = await recordOf(attic, { adoption: await adoptionOf(attic, 1) });
  expect(await judge(between, trustOf(elm.keys, [], twice))).toBe("member+");
});

test("a member's word admits up to twice a token's maximum, and nobody whom the root has to confirm", async () => {
  const others = await Promise.all([1, 2, 3].map(() => makeDevice(elm, token)));
  const vouched = await recordOf(attic, { admissions: [await admit(elm.keys, attic, cellar)] });
  expect(await judge(vouched, trustOf(elm.keys, [cellar, ...others.slice(0, 2)], late))).toBe("member");
  const judgement = await judgeRecord(vouched, trustOf(elm.keys, [cellar, ...others], late));
  expect(judgement).toMatchObject({ kind: "pending", because: "overMaximum", vouchers: [cellar.id] });
  const shy = await makeDevice(elm, await makeToken(elm, { adopt: "confirm" }));
  const shyVouched = await recordOf(shy, { admissions: [await admit(elm.keys, shy, cellar)] });
  expect(await judge(shyVouched, trustOf(elm.keys, [cellar]))).toBe("pending needsConfirmation");
});

test("by a clock that is behind a newcomer is taken without our word, and none whose token had ended by then", async () => {
  const behind = { isClockBehind: true };
  expect(await judge(await recordOf(attic), trustOf(elm.keys, [cellar], behind))).toBe("member~");
  expect(await judge(await recordOf(attic), trustOf(elm.keys, [], behind))).toBe("member~");
  expect(await judge(await recordOf(attic), trustOf(elm.keys, [attic], behind))).toBe("member");
  expect(await judge(await recordOf(attic), trustOf(elm.keys, [cellar], { ...behind, ...late }))).toBe(
    "pending tokenExpired",
  );
});

test("revoking a token refuses all its devices except those named; a later adoption admits one again", async () => {
  const all = {
    revocations: await revoke({ kind: "token", token: token.certificate.id, stays: [cellar.id] }),
    ...late,
  };
  expect(await judge(await recordOf(attic), trustOf(elm.keys, [attic], all))).toBe("refused tokenRevoked");
  expect(await judge(await recordOf(cellar), trustOf(elm.keys, [], all))).toBe("member+");
  const before = await recordOf(attic, { adoption: await adoptionOf(attic, 0) });
  expect(await judge(before, trustOf(elm.keys, [cellar], all))).toBe("refused tokenRevoked");
  const after = await recordOf(attic, { adoption: await adoptionOf(attic, 1) });
  expect(await judge(after, trustOf(elm.keys, [cellar], all))).toBe("member+");
});

test("after a change of root, the old root's tokens stay valid for members and named devices, but not for newcomers", async () => {
  const next = { successorKey: generateSigningKey().publicKey, revocations: [], issuedAt: monday };
  const change = await signSuccession(elm.keys, elm.successor, { ...next, stays: [cellar.id] });
  const keys = await succeed(elm.keys, [change]);
  expect(keys.id).toBe(elm.keys.id);
  expect(await judge(await recordOf(attic), trustOf(keys, [cellar]))).toBe("pending needsConfirmation");
  expect(await judge(await recordOf(attic), trustOf(keys, [attic]))).toBe("member+");
  expect(await judge(await recordOf(cellar), trustOf(keys, []))).toBe("member+");
  const fresh = await makeDevice({ keys }, await makeToken({ root: elm.successor, keys }));
  expect(await judge(await recordOf(fresh), trustOf(keys, [cellar]))).toBe("member+");
});

test("every refusal of a record occurs", async () => {
  const oak = makeStreet();
  const foreignToken = await makeToken(oak);
  const trust = trustOf(elm.keys, [cellar]);
  const jws = await recordOf(attic);
  const [head, payload, signature] = jws.split(".") as [string, string, string];
  const spell = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const otherMember = await signMemberCertificate(
    { neighborhood: elm.keys.id, token: token.certificate.id, deviceKey: cellar.key.publicKey },
    token.key,
  );
  const otherSecret = await signMemberCertificate(
    { neighborhood: elm.keys.id, token: token.certificate.id, deviceKey: attic.key.publicKey },
    generateSigningKey(),
  );
  const byTokenItself = await signToken(token.certificate, token.key);
  const closed = {
    kind: "device" as const,
    device: (await makeDevice(elm, token)).id,
    token: token.certificate.id,
    stays: [],
  };
  const bend = (change: object) => recordOf(attic, change);
  const heldBy = (what: string) => ({ ...trust, held: new Map([[what, cellar.id]]) });

  const cases: [RefusalCode, string, Trust?][] = [
    ["tooLarge", `${jws}${"A".repeat(maxRecordChars)}`],
    ["malformed", "hello"],
    ["malformed", `${head}.${payload}`],
    ["wrongAlgorithm", `${spell({ alg: "HS512", typ: "hamlet-record" })}.${payload}.${signature}`],
    ["wrongType", token.jws],
    ["badSignature", `${head}.${spell({ ...attic.record, number: 2 })}.${signature}`],
    ["badContent", await bend({ name: "Attic!" })],
    ["badContent", await bend({ endpoints: ["attic.example:51820"] })],
    ["badContent", await bend({ endpoints: ["[ff02::1]:51820"] })],
    ["badContent", await bend({ endpoints: ["10.0.0.1:70000"] })],
    ["badContent", await bend({ endpoints: Array(9).fill("10.0.0.1:1") })],
    ["badContent", await bend({ number: -1 })],
    ["idMismatch", await bend({ id: cellar.id })],
    ["wrongNeighborhood", await recordOf(await makeDevice(oak, foreignToken))],
    ["wrongNeighborhood", await bend({ token: (await makeToken({ root: elm.root, keys: oak.keys })).jws })],
    ["tokenForged", await bend({ token: foreignToken.jws })],
    ["tokenForged", await bend({ token: byTokenItself })],
    ["memberForged", await bend({ member: otherMember })],
    ["memberForged", await bend({ member: otherSecret })],
    ["memberForged", await bend({ member: token.jws })],
    ["deviceRevoked", jws, trustOf(elm.keys, [attic], { revocations: await revoke({ ...closed, device: attic.id }) })],
    ["deviceRejected", jws, { ...trust, rejections: new Map([[attic.id, monday]]) }],
    [
      "tokenRevoked",
      jws,
      { ...trust, revocations: await revoke({ kind: "token", token: token.certificate.id, stays: [] }) },
    ],
    ["tokenClosed", jws, { ...trust, revocations: await revoke(closed) }],
    ["keyHeld", jws, heldBy(wireguardKeyOf(attic.record.deviceKey)!)],
    ["addressHeld", jws, heldBy(meshAddress(elm.keys.id, attic.key.publicKey))],
  ];
  for (const [code, bytes, trusted = trust] of cases) expect(await judge(bytes, trusted)).toBe(`refused ${code}`);
  expect(new Set(cases.map(([code]) => code))).toEqual(new Set(recordRefusalCodes));
  // A device's own state does not get in its way.
  expect(await judge(jws, { ...trust, held: new Map([[wireguardKeyOf(attic.record.deviceKey)!, attic.id]]) })).toBe(
    "member+",
  );
});

test("a record of a neighborhood with the same root but another successor is refused, because the id covers both keys", async () => {
  const twin = { ...elm, keys: foundedBy(elm.root.publicKey, generateSigningKey().publicKey) };
  const device = await makeDevice(twin, await makeToken(twin));
  expect(await judge(await recordOf(device), trustOf(elm.keys, [cellar]))).toBe("refused wrongNeighborhood");
});

test("four admissions fit into a record beside 8 endpoints; a longer one goes without its last endpoints first, an adopted one without admissions", async () => {
  const admissions = await Promise.all(
    [1, 2, 3, 4].map(async () => admit(elm.keys, attic, await makeDevice(elm, token))),
  );
  expect(new Set(admissions.map(({ length }) => length))).toEqual(new Set([113]));
  const endpoints = Array(8).fill("[2001:db8:1111:2222:3333:4444:5555:6666]:51820");
  const carried = async (change: Partial<MemberRecord>) => {
    const jws = await recordOf(attic, { admissions, endpoints, ...change });
    expect(jws.length).toBeLessThanOrEqual(maxRecordChars);
    const record = await readRecord(jws);
    return [record.admissions.length, record.endpoints.length];
  };
  expect(await carried({})).toEqual([4, 8]);
  expect(await carried({ name: "x".repeat(63) })).toEqual([4, 8]);
  const [left, reachable] = await carried({ adoption: await adoptionOf(attic), name: "x".repeat(63) });
  expect(reachable).toBe(8);
  expect(left).toBeLessThan(4);
  await expect(recordOf(attic, { token: "a.b.c".padEnd(4_000, "c") })).rejects.toMatchObject({
    code: "identity.invalid",
  });
});
