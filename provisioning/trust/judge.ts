// What a record proves. Pure: the same bytes, trust and time give the same result on every device, without asking anyone.
import { admittedBy } from "./admission.ts";
import { type Adoption, verifyAdoption } from "./adoption.ts";
import { verifyMembership } from "./member-certificate.ts";
import { type DeviceId, deviceIdOf, meshAddress } from "./names.ts";
import type { NeighborhoodKeys } from "./neighborhood-keys.ts";
import { type MemberRecord, readRecord } from "./record.ts";
import { Refusal, type RefusalCode } from "./refusal.ts";
import type { Revocations } from "./revocation.ts";
import { type TokenCertificate, verifyToken } from "./token.ts";
import { wireguardKeyOf } from "./wireguard-key.ts";

/**
 * Why a device is a member here. `judged`: by its dates, or by the root. `vouched`: by the word of a member that is one of these two.
 * `faith`: this device knew nobody then, and judged no dates. `clock`: the clock was behind, so the dates are judged again once it is
 * right. Only for the first two does a device give its own word.
 */
export type Basis = "judged" | "vouched" | "faith" | "clock";

export type Trust = {
  neighborhood: NeighborhoodKeys;
  revocations: Revocations;
  /** Device keys of the known members, including this device's, so that its own admissions count. */
  members: ReadonlyMap<DeviceId, string>;
  bases: ReadonlyMap<DeviceId, Basis>;
  /** True until the first member is known: such a device judges no dates, because its clock may say 1970. */
  knowsNobody: boolean;
  /** Token id -> number of known members admitted by it, including this device. */
  admittedByToken: ReadonlyMap<string, number>;
  /** Verified adoptions by device id; a record may also carry its own. */
  adoptions?: ReadonlyMap<DeviceId, Adoption>;
  /** Whom the root turns away now, by device id: when it signed that, ms since 1970. */
  rejections?: ReadonlyMap<DeviceId, number>;
  /** WireGuard keys and mesh addresses in use -> their holder. */
  held?: ReadonlyMap<string, DeviceId>;
  /** ms since 1970. */
  now: number;
  /** Whether the clock shows an earlier time than `now`, a date that the root has signed. */
  isClockBehind?: boolean;
};

export type PendingReason = "tokenExpired" | "overMaximum" | "needsConfirmation";
export type Judgement =
  /** `countersign`: no known member vouches for it yet: sign an admission and give it to the device. */
  | { kind: "member"; record: MemberRecord; token: TokenCertificate; basis: Basis; countersign: boolean }
  /** `vouchers`: members that have admitted it nevertheless. */
  | {
      kind: "pending";
      record: MemberRecord;
      token: TokenCertificate;
      because: PendingReason;
      vouchers: readonly DeviceId[];
    }
  | { kind: "refused"; because: RefusalCode; detail: string };

/** Two sides that admit devices apart may exceed a token's maximum together. Whoever comes beyond this waits, whoever vouches for it. */
const mostByToken = ({ maxDevices }: TokenCertificate): number => 2 * maxDevices;

export async function judgeRecord(jws: string, trust: Trust): Promise<Judgement> {
  try {
    return await judge(jws, trust);
  } catch (error) {
    if (error instanceof Refusal) return { kind: "refused", because: error.refusal, detail: error.message };
    throw error;
  }
}

async function judge(jws: string, trust: Trust): Promise<Judgement> {
  const { neighborhood: keys, now } = trust;
  const record = await readRecord(jws);
  if (record.neighborhood !== keys.id) throw new Refusal("wrongNeighborhood", "a record of another neighborhood");
  if (trust.revocations.devices.has(record.id)) throw new Refusal("deviceRevoked", "this device is revoked");
  const { certificate: token, byFormerRoot } = await verifyToken(record.token, keys);
  if (record.origin && trust.revocations.devices.has(deviceIdOf(record.origin.deviceKey))) {
    throw new Refusal("deviceRevoked", "this device was a copy of one that is revoked");
  }
  await verifyMembership(record, token.key, {
    neighborhood: keys.id,
    token: token.id,
    deviceKey: record.deviceKey,
  });
  refuseHeldByOthers(record, trust);
  const adoption = await adoptionOf(record, trust);
  refuseRejected(record, adoption, trust);
  const isNamed = refuseClosed(record, token, adoption, trust) || (byFormerRoot && keys.stays?.has(record.id) === true);

  // A member stays a member: for it, dates decide only whether we countersign.
  const byRoot = isNamed || adoption !== undefined;
  const vouchers = knownVouchers(record, token, trust);
  const needsRoot = byFormerRoot || token.adopt === "confirm" || record.origin !== undefined;
  const mayJoin = !needsRoot && !trust.isClockBehind && now <= token.notAfter;
  const known = trust.bases.get(record.id);
  const member = (otherwise: Basis): Judgement => {
    const isVouched = !needsRoot && vouchers.some((id) => isFirm(trust.bases.get(id)));
    const basis = byRoot || mayJoin || known === "judged" ? "judged" : isVouched ? "vouched" : (known ?? otherwise);
    const countersign = isFirm(basis) && vouchers.length === 0 && !trust.isClockBehind;
    return { kind: "member", record, token, basis, countersign };
  };
  if (byRoot || trust.members.has(record.id)) return member("faith");

  // A newcomer: expiry and maximum limit whom we admit.
  const pending = (because: PendingReason): Judgement => ({ kind: "pending", record, token, because, vouchers });
  if (needsRoot) return pending("needsConfirmation");
  const count = trust.admittedByToken.get(token.id) ?? 0;
  if (vouchers.length > 0) return count < mostByToken(token) ? member("faith") : pending("overMaximum");
  if (trust.knowsNobody) return member("faith");
  if (now > token.notAfter) return pending("tokenExpired");
  if (count >= token.maxDevices) return pending("overMaximum");
  return member("clock");
}

const isFirm = (basis: Basis | undefined): boolean => basis === "judged" || basis === "vouched";

/** No two devices share an address or a WireGuard key: a second holder would receive the first one's traffic. */
function refuseHeldByOthers(record: MemberRecord, { held, neighborhood }: Trust): void {
  const isOthers = (what: string) => (held?.get(what) ?? record.id) !== record.id;
  // Two device keys that differ only in the sign of x have one WireGuard key, and one owner.
  if (isOthers(wireguardKeyOf(record.deviceKey)!)) {
    throw new Refusal("keyHeld", "another member holds this WireGuard key");
  }
  if (isOthers(meshAddress(neighborhood.id, record.deviceKey))) {
    throw new Refusal("addressHeld", "another member holds this address");
  }
}

/** Members stay, and who is adopted later comes in. */
function refuseRejected({ id }: MemberRecord, adoption: Adoption | undefined, { rejections, bases }: Trust): void {
  const at = rejections?.get(id);
  if (at === undefined || bases.has(id) || (adoption && adoption.issuedAt > at)) return;
  throw new Refusal("deviceRejected", "the root has turned this device away");
}

/** True if revocations of its token name the device as one that stays. Whom one of them does not name is out, whoever vouches for it. */
function refuseClosed(
  { id }: MemberRecord,
  token: TokenCertificate,
  adoption: Adoption | undefined,
  { revocations }: Trust,
): boolean {
  const closures = revocations.closures.get(token.id) ?? [];
  for (const { number, because, stays } of closures) {
    // An adoption counts against what the owner knew when signing it. Whom a later word does not name is out, adopted or not.
    const isAdopted = adoption !== undefined && adoption.revocation >= number;
    if (stays.has(id) || isAdopted) continue;
    const why = because === "tokenRevoked" ? "is revoked" : "admits nobody new, because one of its devices was revoked";
    throw new Refusal(because, `the token of this device ${why}`);
  }
  return closures.length > 0;
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
function knownVouchers(record: MemberRecord, token: TokenCertificate, trust: Trust): DeviceId[] {
  const wanted = { neighborhood: trust.neighborhood.id, device: record.id, token: token.id };
  const vouchers: DeviceId[] = [];
  for (const admission of record.admissions) {
    const by = admittedBy(admission, wanted, trust.members);
    if (by !== undefined && !trust.revocations.devices.has(by)) vouchers.push(by);
  }
  return vouchers;
}
