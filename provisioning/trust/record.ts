// The member record: what a device says of itself, with everything that proves it may. And the judgement of one,
// pure: the same bytes, trust and time give the same verdict anywhere, with nobody to ask.
import { z } from "zod";
import { HamletError } from "../../system/error.ts";
import { admittedBy } from "./admission.ts";
import { type Adoption, verifyAdoption } from "./adoption.ts";
import { BoardName, DeviceName, Endpoint, Id, Jws, PublicKey, WireguardKey } from "./fields.ts";
import { readUnverified, sign, verify } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import { verifyMemberCertificate } from "./member-certificate.ts";
import { type DeviceId, deviceIdOf, meshAddress } from "./names.ts";
import type { NeighborhoodKeys } from "./neighborhood-keys.ts";
import { Refusal, type RefusalCode } from "./refusal.ts";
import type { Revocations } from "./revocation.ts";
import { type TokenCertificate, verifyToken } from "./token.ts";

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
  wireguardKey: WireguardKey,
  endpoints: z.array(Endpoint).max(8),
  boardIdentity: z
    .string()
    .regex(/^[\w-]{43}$/, "is not a board's identity")
    .optional()
    .describe("which piece of hardware, salted by the device's key"),
  replaces: Id.optional().describe("a former identity of this very board, gone with its card: its name is taken over"),
  bootId: z.string().regex(/^[0-9A-Za-z-]{1,64}$/, "is not a boot id"),
  number: z.int().min(0).describe("sequence: of two records of one device the higher counts"),
  token: Jws.describe("hamlet-token, by the root"),
  member: Jws.describe("hamlet-member, by the token's key over the device's"),
  admissions: z.array(Jws).max(4).describe("hamlet-admission, by members"),
  adoption: Jws.optional().describe("hamlet-adoption, by the root"),
  revocation: z.int().min(0).describe("number of revocations that the device has seen"),
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
  /** Device keys of the members known, this device's own included, so that its own admissions count. */
  members: ReadonlyMap<DeviceId, string>;
  /** Those of them whose verdict was `firm`. Only for them this device renews a vouch whose giver is gone. */
  firm?: ReadonlySet<DeviceId>;
  /** True until a first member is known: such a device judges no dates, for its clock may be at 1970. */
  knowsNobody: boolean;
  /** Token id -> known members that came by it, this device included. */
  admittedByToken: ReadonlyMap<string, number>;
  /** Verified adoptions by device id; a record may also carry its own. */
  adoptions?: ReadonlyMap<DeviceId, Adoption>;
  /** WireGuard keys and mesh addresses in use -> who holds them. */
  held?: ReadonlyMap<string, DeviceId>;
  /** ms since 1970. */
  now: number;
};

export type PendingReason = "tokenExpired" | "overMaximum" | "needsConfirmation";
export type Verdict =
  /**
   * `firm`: judged in full, now or before, and not on the faith of a device that knew nobody; the roster keeps it.
   * `countersign`: firm, and no known member vouches for it yet: sign an admission and give it to the device.
   */
  | { verdict: "member"; record: MemberRecord; token: TokenCertificate; firm: boolean; countersign: boolean }
  | { verdict: "pending"; record: MemberRecord; token: TokenCertificate; because: PendingReason }
  | { verdict: "refused"; because: RefusalCode; detail: string };

export async function judgeRecord(jws: string, trust: Trust): Promise<Verdict> {
  try {
    return await judge(jws, trust);
  } catch (error) {
    if (error instanceof Refusal) return { verdict: "refused", because: error.refusal, detail: error.message };
    throw error;
  }
}

/** The record, if its own signature, id and size hold. Says nothing about membership. Throws `Refusal`. */
export async function readRecord(jws: string): Promise<MemberRecord> {
  if (jws.length > maxRecordChars) throw new Refusal("tooLarge", `a record of ${jws.length} characters`);
  const { deviceKey } = readUnverified("hamlet-record", jws, MemberRecord);
  const record = await verify("hamlet-record", jws, deviceKey, MemberRecord);
  if (deviceIdOf(deviceKey) !== record.id)
    throw new Refusal("idMismatch", "the id is not the hash of the device's key");
  return record;
}

async function judge(jws: string, trust: Trust): Promise<Verdict> {
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
  refuseWhatIsHeld(record, trust);

  const adoption = await adoptionOf(record, trust);
  const revoked = trust.revocations.tokens.get(token.id);
  const closed = trust.revocations.closedTokens.get(token.id);
  const keptBy = [revoked?.stays, closed, byFormerRoot ? keys.stays : undefined];
  const isNamed = keptBy.some((stays) => stays?.has(record.id));
  if (revoked && !revoked.stays.has(record.id) && (adoption?.revocation ?? -1) < revoked.number) {
    throw new Refusal("tokenRevoked", "the token of this device is revoked");
  }

  const member = (firm: boolean, isVouchedFor = false): Verdict => {
    return { verdict: "member", record, token, firm, countersign: firm && !isVouchedFor };
  };
  // Whoever is in stays: up to the next comment a date decides only whether we put our own name under it.
  const byRoot = isNamed || adoption !== undefined;
  const vouchers = await knownVouchers(record, token, trust);
  const isFirm = byRoot || [record.id, ...vouchers].some((id) => trust.firm?.has(id));
  const inTime = now <= token.notAfter;
  const mayJoin = inTime && token.adopt === "auto" && !byFormerRoot && !closed;
  if (vouchers.length > 0) return member(isFirm || mayJoin, true);
  if (byRoot || trust.members.has(record.id)) return member(isFirm || mayJoin);

  // A newcomer: the date and the maximum bound whom we let in.
  if (closed) {
    throw new Refusal("tokenClosed", "a device that came by this token was revoked: it admits nobody new");
  }
  const pending = (because: PendingReason): Verdict => ({ verdict: "pending", record, token, because });
  if (byFormerRoot || token.adopt === "confirm") return pending("needsConfirmation");
  if (trust.knowsNobody) return member(inTime);
  if (!inTime) return pending("tokenExpired");
  if ((trust.admittedByToken.get(token.id) ?? 0) >= token.maxDevices) return pending("overMaximum");
  return member(true);
}

/** Addresses follow from keys and two devices have two WireGuard keys; who claims another's would take its traffic. */
function refuseWhatIsHeld(record: MemberRecord, { held, neighborhood }: Trust): void {
  const isOthers = (what: string) => (held?.get(what) ?? record.id) !== record.id;
  if (isOthers(record.wireguardKey)) throw new Refusal("keyHeld", "another member holds this WireGuard key");
  if (isOthers(meshAddress(neighborhood.id, record.deviceKey))) {
    throw new Refusal("addressHeld", "another member holds this address");
  }
}

async function adoptionOf(record: MemberRecord, trust: Trust): Promise<Adoption | undefined> {
  const known = trust.adoptions?.get(record.id);
  if (known?.deviceKey === record.deviceKey) return known;
  if (record.adoption === undefined) return undefined;
  const carried = await verifyAdoption(record.adoption, trust.neighborhood).catch((error: unknown) => {
    // By a former root, or a forgery: it proves nothing, and takes nothing away from what else the record proves.
    if (error instanceof Refusal) return undefined;
    throw error;
  });
  return carried?.deviceKey === record.deviceKey ? carried : undefined;
}

/** The known members, none of them revoked, whose admission of this device by this token the record carries. */
async function knownVouchers(record: MemberRecord, token: TokenCertificate, trust: Trust): Promise<DeviceId[]> {
  const wanted = { neighborhood: trust.neighborhood.id, device: record.id, token: token.id };
  const vouchers: DeviceId[] = [];
  for (const admission of record.admissions) {
    const by = await admittedBy(admission, wanted, trust.members);
    if (by !== undefined && !trust.revocations.devices.has(by)) vouchers.push(by);
  }
  return vouchers;
}
