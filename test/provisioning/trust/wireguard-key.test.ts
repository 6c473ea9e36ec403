import { createPrivateKey, createPublicKey, diffieHellman } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { wireguardPublicKey } from "../../../agent/mesh/key.ts";
import { generateSigningKey, signingKeyFromSeed } from "../../../provisioning/trust/keys.ts";
import { wireguardKeyOf, wireguardPrivateKeyOf } from "../../../provisioning/trust/wireguard-key.ts";

const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");

test("everybody who knows a device's key knows its WireGuard key, and only the device knows the private half", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
      const key = signingKeyFromSeed(base64url(seed));
      // OpenSSL's own X25519 agrees.
      expect(wireguardPublicKey(wireguardPrivateKeyOf(key))).toBe(wireguardKeyOf(key.publicKey));
    }),
    { numRuns: 100 },
  );
});

test("32 bytes give the key of a device, of full order, or none; the sign of x makes no difference", () => {
  const ours = createPrivateKey({
    key: Buffer.concat([
      Buffer.from("302e020100300506032b656e04220420", "hex"),
      Buffer.from(wireguardPrivateKeyOf(generateSigningKey()), "base64"),
    ]),
    format: "der",
    type: "pkcs8",
  });
  const shared = (wireguardKey: string) => {
    const x = Buffer.from(wireguardKey, "base64").toString("base64url");
    return diffieHellman({
      privateKey: ours,
      publicKey: createPublicKey({ key: { kty: "OKP", crv: "X25519", x }, format: "jwk" }),
    });
  };
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
      const key = wireguardKeyOf(base64url(bytes));
      bytes[31]! ^= 0x80;
      expect(wireguardKeyOf(base64url(bytes))).toBe(key);
      if (key !== undefined) expect(shared(key)).toHaveLength(32);
    }),
    { numRuns: 100 },
  );
});

// RFC 8032's encodings of the eight points of small order, and y that is no number below p.
test.each([
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0000000000000000000000000000000000000000000000000000000000000080",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
])("%s is the key of no device", (hex) =>
  expect(wireguardKeyOf(Buffer.from(hex, "hex").toString("base64url"))).toBeUndefined(),
);
