// A device's WireGuard key follows from its device key, so a record names none and nobody can claim another's: who signs a record with
// the device key holds the WireGuard key too. Both are points of one curve, in two forms (RFC 7748 4.1: u = (1 + y) / (1 - y)).
// Pure but for a table of what it has computed.
import { createHash } from "node:crypto";
import { HamletError } from "../../system/error.ts";
import { type SigningKey, seedOf } from "./keys.ts";

const p = 2n ** 255n - 19n;

/** u of the points whose order divides 8: as a WireGuard key each gives everybody the same shared secret. */
const smallOrder = new Set([
  0n,
  1n,
  325606250916557431795983626356110631294008115727848805560023387167927233504n,
  39382357235489614581723060781553021112529911719440698176882885853963445705823n,
]);

// A key costs as much as a signature, and each record asks for its key three times.
const known = new Map<string, string | undefined>();
const maxKnown = 1_024;

/** In base64, as `wg` prints it. Undefined for 32 bytes that are no key of a device: `wg` would refuse them, or everybody could sign. */
export function wireguardKeyOf(devicePublicKey: string): string | undefined {
  if (known.has(devicePublicKey)) return known.get(devicePublicKey);
  if (known.size >= maxKnown) known.delete(known.keys().next().value!);
  const key = computed(devicePublicKey);
  known.set(devicePublicKey, key);
  return key;
}

/** The same in base64url, by which a box is sealed to a device. Throws `identity.invalid` for what is no device's key. */
export function boxKeyOfDevice(devicePublicKey: string): string {
  const key = wireguardKeyOf(devicePublicKey);
  if (key === undefined) throw new HamletError("identity.invalid", "this is no device's key");
  return Buffer.from(key, "base64").toString("base64url");
}

function computed(devicePublicKey: string): string | undefined {
  const bytes = Buffer.from(devicePublicKey, "base64url");
  if (bytes.length !== 32) return undefined;
  // RFC 8032 5.1.2: y in little endian; the highest bit is the sign of x, which u does not have.
  bytes[31]! &= 0x7f;
  const y = BigInt(`0x${bytes.reverse().toString("hex")}`);
  if (y >= p || y === 1n) return undefined;
  const u = ((1n + y) * inverse((1n - y + p) % p)) % p;
  if (smallOrder.has(u)) return undefined;
  return Buffer.from(u.toString(16).padStart(64, "0"), "hex").reverse().toString("base64");
}

/** RFC 8032 5.1.5: the scalar of an Ed25519 key is the first half of its seed's hash. X25519 clamps it in the same way. */
export function wireguardPrivateKeyOf(key: SigningKey): string {
  const scalar = createHash("sha512")
    .update(Buffer.from(seedOf(key), "base64url"))
    .digest()
    .subarray(0, 32);
  scalar[0]! &= 248;
  scalar[31]! = (scalar[31]! & 127) | 64;
  return scalar.toString("base64");
}

/** By Fermat: a to the power of p - 2. */
function inverse(a: bigint): bigint {
  let result = 1n;
  for (let exponent = p - 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * a) % p;
    a = (a * a) % p;
  }
  return result;
}
