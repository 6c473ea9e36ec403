// Checks the base64 part of an SSH public key: RFC 4253 6.6, RFC 5656 3.1, RFC 8709 and OpenSSH's PROTOCOL.u2f and PROTOCOL.certkeys.
// Pure.
import { createPublicKey } from "node:crypto";

const curves: Record<string, { name: string; crv: string; pointBytes: number }> = {
  nistp256: { name: "nistp256", crv: "P-256", pointBytes: 65 },
  nistp384: { name: "nistp384", crv: "P-384", pointBytes: 97 },
  nistp521: { name: "nistp521", crv: "P-521", pointBytes: 133 },
};
type Check = (fields: Buffer[]) => boolean;
const isPoint = (curve: string): Check => {
  const { name, crv, pointBytes } = curves[curve]!;
  return ([given, point]) =>
    given?.toString("latin1") === name && point?.length === pointBytes && isOnCurve(crv, point);
};
const isEd25519: Check = ([key]) => key?.length === 32;
/** OpenSSH reads a C string: a zero may only be the last byte. */
const hasApplication: Check = (fields) => {
  const application = fields.at(-1);
  return application !== undefined && !application.subarray(0, -1).includes(0);
};
const both =
  (...checks: Check[]): Check =>
  (fields) =>
    checks.every((check) => check(fields));
/** OpenSSH accepts RSA keys from 1024 bits (sshd_config(5), RequiredRSASize) to 16384. */
const isRsa: Check = ([exponent, modulus]) => {
  const bits = modulus && bitsOf(modulus);
  return (
    exponent !== undefined && bitsOf(exponent) !== undefined && bits !== undefined && bits >= 1024 && bits <= 16384
  );
};

/** Length of a non-negative mpint (RFC 4251 5) without leading zeros. */
const bitsOf = (mpint: Buffer): number | undefined =>
  (mpint[0] ?? 0) >= 0x80 || mpint.length > 2049 ? undefined : BigInt(`0x0${mpint.toString("hex")}`).toString(2).length;

/** `fields`: number of strings after the type. */
const kinds: Record<string, { fields: number; check: Check }> = {
  "ssh-ed25519": { fields: 1, check: isEd25519 },
  "ssh-rsa": { fields: 2, check: isRsa },
  "ecdsa-sha2-nistp256": { fields: 2, check: isPoint("nistp256") },
  "ecdsa-sha2-nistp384": { fields: 2, check: isPoint("nistp384") },
  "ecdsa-sha2-nistp521": { fields: 2, check: isPoint("nistp521") },
  "sk-ssh-ed25519@openssh.com": { fields: 2, check: both(isEd25519, hasApplication) },
  "sk-ecdsa-sha2-nistp256@openssh.com": { fields: 3, check: both(isPoint("nistp256"), hasApplication) },
};
export const keyTypes = Object.keys(kinds);

/** Whether the key is complete, with nothing after it. */
export function isWholeKey(type: string, blob: Buffer): boolean {
  const kind = kinds[type];
  const [given, ...fields] = stringsIn(blob, (kind?.fields ?? 0) + 1) ?? [];
  if (!kind || given?.toString("latin1") !== type) return false;
  const length = [given, ...fields].reduce((sum, field) => sum + 4 + field.length, 0);
  return length === blob.length && kind.check(fields);
}

/** The bare key inside a certificate; undefined if this is no certificate. */
export function keyOfCertificate(type: string, blob: Buffer): { type: string; blob: Buffer } | undefined {
  const bare = type.replace(/-cert-v01(?=@openssh\.com$)/, "").replace(/^((?:ssh|ecdsa)-.*)@openssh\.com$/, "$1");
  const kind = kinds[bare];
  if (!kind || bare === type) return undefined;
  const [given, , ...fields] = stringsIn(blob, kind.fields + 2) ?? [];
  if (given?.toString("latin1") !== type || !kind.check(fields)) return undefined;
  return {
    type: bare,
    blob: Buffer.concat([Buffer.from(bare), ...fields].flatMap((field) => [lengthOf(field), field])),
  };
}

/** The type at the beginning of the blob, which must match the word before the blob even if the blob is cut off. */
export const typeInBlob = (blob: Buffer): string | undefined => stringsIn(blob, 1)?.[0]?.toString("latin1");

function stringsIn(blob: Buffer, count: number): Buffer[] | undefined {
  const found: Buffer[] = [];
  for (let offset = 0; found.length < count; ) {
    if (offset + 4 > blob.length) return undefined;
    const end = offset + 4 + blob.readUInt32BE(offset);
    if (end > blob.length) return undefined;
    found.push(blob.subarray(offset + 4, end));
    offset = end;
  }
  return found;
}

function lengthOf(field: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(field.length);
  return length;
}

function isOnCurve(crv: string, point: Buffer): boolean {
  const half = (point.length - 1) / 2;
  if (point[0] !== 4) return false;
  const coordinate = (start: number) => point.subarray(start, start + half).toString("base64url");
  try {
    createPublicKey({ key: { kty: "EC", crv, x: coordinate(1), y: coordinate(1 + half) }, format: "jwk" });
    return true;
  } catch {
    return false;
  }
}
