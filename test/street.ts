// A neighborhood built step by step: keys, tokens and devices whose records a test can alter before signing them.
import type { TokenFile } from "../provisioning/neighborhood/issue-token.ts";
import { signAdmission } from "../provisioning/trust/admission.ts";
import type { Trust } from "../provisioning/trust/judge.ts";
import { generateSigningKey, type SigningKey, seedOf } from "../provisioning/trust/keys.ts";
import { signMemberCertificate } from "../provisioning/trust/member-certificate.ts";
import { deviceIdOf } from "../provisioning/trust/names.ts";
import { foundedBy, type NeighborhoodKeys } from "../provisioning/trust/neighborhood-keys.ts";
import { signOperator } from "../provisioning/trust/operator.ts";
import { type Operator, signatureOf } from "../provisioning/trust/order.ts";
import { type MemberRecord, signRecord } from "../provisioning/trust/record.ts";
import { noRevocations } from "../provisioning/trust/revocation.ts";
import type { Rollout } from "../provisioning/trust/rollout.ts";
import { signToken, type TokenCertificate } from "../provisioning/trust/token.ts";

export const day = 86_400_000;
export const monday = Date.UTC(2026, 0, 5);

export type Token = { certificate: TokenCertificate; jws: string; key: SigningKey };
export type Device = { id: string; key: SigningKey; token: Token; record: MemberRecord };
export type Street = { root: SigningKey; successor: SigningKey; keys: NeighborhoodKeys };

export function makeStreet(): Street {
  const [root, successor] = [generateSigningKey(), generateSigningKey()];
  return { root, successor, keys: foundedBy(root.publicKey, successor.publicKey) };
}

let tokensMade = 0;
export async function makeToken(
  { root, keys }: Pick<Street, "root" | "keys">,
  change: Partial<TokenCertificate> = {},
): Promise<Token> {
  const key = generateSigningKey();
  const certificate: TokenCertificate = {
    v: 1,
    neighborhood: keys.id,
    id: (++tokensMade).toString(16).padStart(16, "0"),
    key: key.publicKey,
    issuedAt: monday,
    notAfter: monday + 7 * day,
    maxDevices: 2,
    tags: ["home"],
    adopt: "auto",
    revocation: 0,
    ...change,
  };
  return { certificate, jws: await signToken(certificate, root), key };
}

/** A valid token in the file format of `hamlet token create`, with the command's defaults. */
export async function makeTokenFile(street: Street, change: Partial<TokenCertificate> = {}): Promise<TokenFile> {
  const now = Date.now();
  // An hour ago: a test whose clock stands still may take its time.
  const terms = { issuedAt: now - 3_600_000, notAfter: now + 7 * day, maxDevices: 10, tags: [], ...change };
  const { jws, key } = await makeToken(street, terms);
  const { keys } = street;
  const neighborhood = { id: keys.id, name: "Elm Street", rootKey: keys.rootKey, successorKey: keys.successorKey };
  return { v: 1, neighborhood, token: jws, tokenKey: seedOf(key) };
}

export async function makeDevice(
  { keys }: Pick<Street, "keys">,
  token: Token,
  name = "attic",
  key = generateSigningKey(),
): Promise<Device> {
  const id = deviceIdOf(key.publicKey);
  const member = await signMemberCertificate(
    { neighborhood: keys.id, token: token.certificate.id, deviceKey: key.publicKey },
    token.key,
  );
  const record: MemberRecord = {
    v: 1,
    id,
    neighborhood: keys.id,
    name,
    board: "nuc",
    release: "0.1.0",
    deviceKey: key.publicKey,
    endpoints: ["192.168.1.7:51820", "[fe80::1]:51820"],
    bootId: "7d4c9f66-6a0e-4a7c-9a0e-0d6c1f0f1e11",
    number: 1,
    token: token.jws,
    member,
    admissions: [],
  };
  return { id, key, token, record };
}

export const recordOf = ({ record, key }: Device, change: Partial<MemberRecord> = {}): Promise<string> =>
  signRecord({ ...record, ...change }, key);

export const admit = (keys: NeighborhoodKeys, newcomer: Device, by: Device): string =>
  signAdmission({ neighborhood: keys.id, device: newcomer.id, token: newcomer.token.certificate.id }, by.key);

/** The trust of a device that knows `members` and has verified them fully. */
export function trustOf(keys: NeighborhoodKeys, members: Device[] = [], change: Partial<Trust> = {}): Trust {
  const counts = new Map<string, number>();
  for (const { token } of members) counts.set(token.certificate.id, (counts.get(token.certificate.id) ?? 0) + 1);
  return {
    neighborhood: keys,
    revocations: noRevocations,
    members: new Map(members.map(({ id, key }) => [id, key.publicKey])),
    bases: new Map(members.map(({ id }) => [id, "judged"])),
    knowsNobody: members.length === 0,
    admittedByToken: counts,
    now: monday + day,
    ...change,
  };
}

export async function makeOperator(
  { root, keys }: Pick<Street, "root" | "keys">,
  name = "owner",
  key = generateSigningKey(),
): Promise<Operator> {
  const content = { v: 1 as const, neighborhood: keys.id, key: key.publicKey, name, issuedAt: monday };
  return { key, certificate: await signOperator(content, root) };
}

/** The first document of a rollout of 1.4.0 to all. */
export const rolloutBy = (keys: NeighborhoodKeys, operator: Operator, change: Partial<Rollout> = {}): Rollout => ({
  ...signatureOf(keys.id, operator),
  rollout: "r".repeat(22),
  number: 1,
  issuedAt: monday,
  startedAt: monday,
  state: "running",
  promoted: 0,
  release: "1.4.0",
  waves: ["canary", 50, 100],
  soakSeconds: 60,
  successPercent: 95,
  maxUnavailable: 1,
  ...change,
});
