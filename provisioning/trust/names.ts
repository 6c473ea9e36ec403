// Derives ids and addresses from keys. Nobody assigns them, so nobody can assign one twice.
import { createHash } from "node:crypto";
import { addressOf } from "../../system/address.ts";
import { decodeBase32, encodeBase32 } from "./base32.ts";

/** 26 characters of base32: the first 16 bytes of sha256 over the raw public key. */
export type DeviceId = string;
/** 26 characters of base32: the first 16 bytes of sha256 over the founding root key and its successor. */
export type NeighborhoodId = string;

const idBytes = 16;

export const deviceIdOf = (publicKey: string): DeviceId =>
  encodeBase32(sha256(Buffer.from(publicKey, "base64url")).subarray(0, idBytes));

/** From both founding keys, so that id and addresses stay when the root changes. */
export const neighborhoodIdOf = (rootKey: string, successorKey: string): NeighborhoodId =>
  encodeBase32(sha256(Buffer.from(rootKey, "base64url"), Buffer.from(successorKey, "base64url")).subarray(0, idBytes));

export const isId = (text: string): boolean => decodeBase32(text)?.length === idBytes;

/** What mDNS announces of the neighborhood: 8 digits of a hash, enough to skip strangers. The id itself is never on the link. */
export const neighborhoodHint = (id: NeighborhoodId): string =>
  sha256(Buffer.from("hamlet hint"), bytesOf(id)).subarray(0, 4).toString("hex");

/** `fd12:3456:789a::/48` (RFC 4193: fd, then 40 pseudorandom bits). */
export function meshPrefix(id: NeighborhoodId): string {
  return `${addressOf(Buffer.concat([prefixBytes(id), Buffer.alloc(10)]))}/48`;
}

/** A member's address for life: the /48, subnet 0, 64 bits of the device key's hash. In the kernel's spelling. */
export function meshAddress(id: NeighborhoodId, devicePublicKey: string): string {
  const host = sha256(Buffer.from("hamlet address"), Buffer.from(devicePublicKey, "base64url")).subarray(0, 8);
  return addressOf(Buffer.concat([prefixBytes(id), Buffer.alloc(2), host]));
}

const prefixBytes = (id: NeighborhoodId): Buffer => Buffer.concat([Buffer.of(0xfd), bytesOf(id).subarray(0, 5)]);

function bytesOf(id: string): Buffer {
  const bytes = decodeBase32(id);
  if (bytes?.length !== idBytes) throw new RangeError(`not an id: ${id}`);
  return Buffer.from(bytes);
}

function sha256(...parts: Uint8Array[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}
