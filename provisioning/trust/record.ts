// The member record: a device's statement about itself, with every proof of its membership. And its judgement, which is
// pure: the same bytes, trust and time give the same result on every device, without asking anyone.
import { z } from "zod";
import { HamletError } from "../../system/error.ts";
import { admittedBy } from "./admission.ts";
import { type Adoption, verifyAdoption } from "./adoption.ts";
import { BoardName, DeviceName, Endpoint, Id, Jws, PublicKey } from "./fields.ts";
import { readUnverified, sign, verify } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import { verifyMemberCertificate } from "./member-certificate.ts";
import { type DeviceId, deviceIdOf, meshAddress } from "./names.ts";
import type { NeighborhoodKeys } from "./neighborhood-keys.ts";
import { Refusal, type RefusalCode } from "./refusal.ts";
import type { Revocations } from "./revocation.ts";
import { type TokenCertificate, verifyToken } from "./token.ts";
import { wireguardKeyOf } from "./wireguard-key.ts";

/** A record travels in one hello beside others and through gossip to everyone. */
export const maxRecordChars = 3 << 10;

export const MemberRecord = z.object({
  v: z.literal(1),
  id: Id,
  neighborhood: Id,
  name: DeviceName,
  board: BoardName,
  release: z.string().regex(/^[0-9A-Za-z][0-9A-Za-z.+~_-]{0,63}$/, "is not a version"),
  deviceKey: PublicKey,
  endpoints: z.array(Endpoint).max(8),
  boardIdentity: z
    .string()
    .regex(/^[\w-]{43}$/, "is not a board's identity")
    .optional()
    .describe("hash of the hardware, salted with the device's key"),
  replaces: Id.optional().describe(
    "a former identity of this board whose card is gone: this record takes over its name",
  ),
  bootId: z.string().regex(/^[0-9A-Za-z-]{1,64}$/, "is not a boot id"),
  number: z.int().min(0).describe("sequence number: of two records of one device the higher is valid"),
  token: Jws.describe("hamlet-token, by the root"),
  member: Jws.describe("hamlet-member, by the token's key over the device's"),
  admissions: z.array(Jws).max(4).describe("hamlet-admission, by members"),
  adoption: Jws.optional().describe("hamlet-adoption, by the root"),
  revocation: z.int().min(0).describe("number up to which the device has seen all revocations"),
});
export type MemberRecord = z.infer<typeof MemberRecord>;

/** Drops the oldest admissions until the record fits. Throws `identity.invalid` if it is too long without any. */
export async function signRecord(record: MemberRecord, deviceKey: SigningKey): Promise<string> {
  for (let dropped = 0; dropped <= record.admissions.length; dropped++) {
    const jws = await sign("hamlet-record", { ...record, admissions: record.admissions.slice(dropped) }, deviceKey);
    if (jws.length <= maxRecordChars) return jws;
  }
  throw new HamletError("identity.invalid", `this device's record is longer than ${maxRecordChars} characters`);
}

export type Trust = {
  neighborhood: NeighborhoodKeys;
  revocations: Revocations;
  /** Device keys of the known members, including this device's, so that its own admissions count. */
  members: ReadonlyMap<DeviceId, string>;
  /** Those of them whose judgement was `firm`: only for these does this device replace an admission whose signer is gone. */
  firm?: ReadonlySet<DeviceId>;
  /** True until the first member is known: such a device judges no dates, because its clock may say 1970. */
  knowsNobody: boolean;
  /** Token id -> number of known members admitted by it, including this device. */
  admittedByToken: ReadonlyMap<string, number>;
  /** Verified adoptions by device id; a record may also carry its own. */
  adoptions?: ReadonlyMap<DeviceId, Adoption>;
  /** WireGuard keys and mesh addresses in use -> their holder. */
  held?: ReadonlyMap<string, DeviceId>;
  /** ms since 1970. */
  now: number;
};

export type PendingReason = "tokenExpired" | "overMaximum" | "needsConfirmation";
export type Judgement =
  /**
   * `firm`: judged in full, now or earlier, and not by a device that knew no member yet.
   * `countersign`: firm, and no known member vouches for it yet: sign an admission and give it to the device.
   */
  | { kind: "member"; record: MemberRecord; token: TokenCertificate; firm: boolean; countersign: boolean }
  | { kind: "pending"; record: MemberRecord; token: TokenCertificate; because: PendingReason }
  | { kind: "refused"; because: RefusalCode; detail: string };

export async function judgeRecord(jws: string, trust: Trust): Promise<Judgement> {
  try {
    return await judge(jws, trust);
  } catch (error) {
    if (error instanceof Refusal) return { kind: "refused", because: error.refusal, detail: error.message };
    throw error;
  }
}

/** The record, if its own signature, id and size are valid, whether or not it is a member's. Throws `Refusal`. */
export async function readRecord(jws: string): Promise<MemberRecord> {
  if (jws.length > maxRecordChars) throw new Refusal("tooLarge", `a record of ${jws.length} characters`);
  const { deviceKey } = readUnverified("hamlet-record", jws, MemberRecord);
  const record = await verify("hamlet-record", jws, deviceKey, MemberRecord);
  if (deviceIdOf(deviceKey) !== record.id)
    throw new Refusal("idMismatch", "the id is not the hash of the device's key");
  if (wireguardKeyOf(deviceKey) === undefined)
    throw new Refusal("badContent", "the device's key gives no WireGuard key");
  return record;
}

async function judge(jws: string, trust: Trust): Promise<Judgement> {
  const { neighborhood: keys, now } = trust;
  const record = await readRecord(jws);
  if (record.neighborhood !== keys.id) throw new Refusal("wrongNeighborhood", "a record of another neighborhood");
  if (trust.revocations.devices.has(record.id)) throw new Refusal("deviceRevoked", "this device is revoked");
  const { certificate: token, byFormerRoot } = await verifyToken(record.token, keys);
  await verifyMemberCertificate(record.member, token.key, {
    neighborhood: keys.id,
    token: token.id,
    deviceKey: record.deviceKey,
  });
  refuseHeldByOthers(record, trust);

  const adoption = await adoptionOf(record, trust);
  const revoked = trust.revocations.tokens.get(token.id);
  const closed = trust.revocations.closedTokens.get(token.id);
  const keptBy = [revoked?.stays, closed, byFormerRoot ? keys.stays : undefined];
  const isNamed = keptBy.some((stays) => stays?.has(record.id));
  if (revoked && !revoked.stays.has(record.id) && (adoption?.revocation ?? -1) < revoked.number) {
    throw new Refusal("tokenRevoked", "the token of this device is revoked");
  }

  const member = (firm: boolean, isVouchedFor = false): Judgement => {
    return { kind: "member", record, token, firm, countersign: firm && !isVouchedFor };
  };
  // A member stays a member: up to the next comment, dates decide only whether we countersign.
  const byRoot = isNamed || adoption !== undefined;
  const vouchers = await knownVouchers(record, token, trust);
  const isFirm = byRoot || [record.id, ...vouchers].some((id) => trust.firm?.has(id));
  const inTime = now <= token.notAfter;
  const mayJoin = inTime && token.adopt === "auto" && !byFormerRoot && !closed;
  if (vouchers.length > 0) return member(isFirm || mayJoin, true);
  if (byRoot || trust.members.has(record.id)) return member(isFirm || mayJoin);

  // A newcomer: expiry and maximum limit whom we admit.
  if (closed) {
    throw new Refusal("tokenClosed", "this token admits no new devices, because one of its devices was revoked");
  }
  const pending = (because: PendingReason): Judgement => ({ kind: "pending", record, token, because });
  if (byFormerRoot || token.adopt === "confirm") return pending("needsConfirmation");
  if (trust.knowsNobody) return member(inTime);
  if (!inTime) return pending("tokenExpired");
  if ((trust.admittedByToken.get(token.id) ?? 0) >= token.maxDevices) return pending("overMaximum");
  return member(true);
}

/** No two devices share an address or a WireGuard key: a second holder would receive the first one's traffic. */
function refuseHeldByOthers(record: MemberRecord, { held, neighborhood }: Trust): void {
  const isOthers = (what: string) => (held?.get(what) ?? record.id) !== record.id;
  // Two device keys that differ only in the sign of x have one WireGuard key, and one owner.
  if (isOthers(wireguardKeyOf(record.deviceKey)!))
    throw new Refusal("keyHeld", "another member holds this WireGuard key");
  if (isOthers(meshAddress(neighborhood.id, record.deviceKey))) {
    throw new Refusal("addressHeld", "another member holds this address");
  }
}

async function adoptionOf(record: MemberRecord, trust: Trust): Promise<Adoption | undefined> {
  const known = trust.adoptions?.get(record.id);
  if (known?.deviceKey === record.deviceKey) return known;
  if (record.adoption === undefined) return undefined;
  const carried = await verifyAdoption(record.adoption, trust.neighborhood).catch((error: unknown) => {
    // By a former root, or forged: it proves nothing, but the record's other proofs still count.
    if (error instanceof Refusal) return undefined;
    throw error;
  });
  return carried?.deviceKey === record.deviceKey ? carried : undefined;
}

/** The known, unrevoked members whose admission of this device by this token is in the record. */
async function knownVouchers(record: MemberRecord, token: TokenCertificate, trust: Trust): Promise<DeviceId[]> {
  const wanted = { neighborhood: trust.neighborhood.id, device: record.id, token: token.id };
  const vouchers: DeviceId[] = [];
  for (const admission of record.admissions) {
    const by = await admittedBy(admission, wanted, trust.members);
    if (by !== undefined && !trust.revocations.devices.has(by)) vouchers.push(by);
  }
  return vouchers;
}
