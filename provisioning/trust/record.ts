// The member record: a device's statement about itself, with every proof of its membership. judge.ts decides what they prove.
import { z } from "zod";
import { HamletError } from "../../system/error.ts";
import { Admission } from "./admission.ts";
import { BoardName, DeviceName, Endpoint, Id, Jws, PublicKey } from "./fields.ts";
import { readUnverified, sign, verify } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import { Origin } from "./member-certificate.ts";
import { deviceIdOf } from "./names.ts";
import { Refusal } from "./refusal.ts";
import { Replacement } from "./replacement.ts";
import { wireguardKeyOf } from "./wireguard-key.ts";

/** A record travels in one hello beside others and through gossip to everyone. */
export const maxRecordChars = 3 << 10;
export const maxAdmissions = 4;

export const MemberRecord = z.object({
  v: z.literal(1),
  id: Id,
  neighborhood: Id,
  name: DeviceName,
  board: BoardName,
  release: z.string().regex(/^[0-9A-Za-z][0-9A-Za-z.+~_-]{0,63}$/, "is not a version"),
  deviceKey: PublicKey,
  endpoints: z.array(Endpoint).max(8),
  boardIdentity: PublicKey.optional().describe("of a key that follows from the hardware and the device's key"),
  replaces: Replacement.optional().describe(
    "a former identity of this board whose card is gone: this record takes over its name",
  ),
  bootId: z.string().regex(/^[0-9A-Za-z-]{1,64}$/, "is not a boot id"),
  number: z.int().min(0).describe("sequence number: of two records of one device the higher is valid"),
  token: Jws.describe("hamlet-token, by the root"),
  member: Jws.describe("hamlet-member, by the token's key or the origin's over the device's"),
  origin: Origin.optional(),
  admissions: z.array(Admission).max(maxAdmissions).describe("by members"),
  adoption: Jws.optional().describe("hamlet-adoption, by the root"),
});
export type MemberRecord = z.infer<typeof MemberRecord>;

/**
 * A record that would be too long goes without its last endpoints, then without its last admissions; with an adoption, which proves more,
 * first without admissions. Throws `identity.invalid` if it is too long without any.
 */
export async function signRecord(record: MemberRecord, deviceKey: SigningKey): Promise<string> {
  const { endpoints, admissions, adoption } = record;
  const [first, last] = adoption === undefined ? [endpoints, admissions] : [admissions, endpoints];
  for (let dropped = 0; dropped <= first.length + last.length; dropped++) {
    const firstLeft = first.slice(0, Math.max(0, first.length - dropped));
    const lastLeft = last.slice(0, Math.min(last.length, first.length + last.length - dropped));
    const left =
      adoption === undefined
        ? { endpoints: firstLeft, admissions: lastLeft }
        : { endpoints: lastLeft, admissions: firstLeft };
    const jws = await sign("hamlet-record", { ...record, ...left }, deviceKey);
    if (jws.length <= maxRecordChars) return jws;
  }
  throw new HamletError("identity.invalid", `this device's record is longer than ${maxRecordChars} characters`);
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
