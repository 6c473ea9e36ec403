import fc from "fast-check";
import { expect, test } from "vitest";
import { makeRedaction, removed } from "../../../cli/commands/device/redaction.ts";
import { exportSigningKey, generateSigningKey, seedOf } from "../../../provisioning/trust/keys.ts";
import { wireguardKeyOf, wireguardPrivateKeyOf } from "../../../provisioning/trust/wireguard-key.ts";

test("a key is redacted in every encoding: PEM, its lines, base64, base64url, hex, JWK", () => {
  const key = generateSigningKey();
  const pem = exportSigningKey(key);
  const seed = seedOf(key);
  const redact = makeRedaction([pem]);
  const bytes = Buffer.from(seed, "base64url");
  const line = pem.split("\n")[1]!;
  for (const text of [pem, line, seed, bytes.toString("base64"), bytes.toString("hex"), JSON.stringify(pem)]) {
    const left = redact(`before ${text} after`);
    for (const spelling of [line, seed, bytes.toString("hex"), bytes.toString("base64")])
      expect(left).not.toContain(spelling);
    expect(left).toContain("before ");
  }
});

test("a WireGuard key is redacted with and without its padding; the public key stays", () => {
  const key = generateSigningKey();
  const [privateKey, publicKey] = [wireguardPrivateKeyOf(key), wireguardKeyOf(key.publicKey)!];
  const redact = makeRedaction([privateKey]);
  const text = redact(`hamlet0\t${privateKey}\t${publicKey} ${privateKey.slice(0, -1)}`);
  expect(text).toBe(`hamlet0\t${removed}\t${publicKey} ${removed}`);
});

test("any password is redacted from any text that quotes it", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[\x20-\x7e]{8,63}$/), fc.string(), fc.string(), (password, before, after) => {
      const redact = makeRedaction([password]);
      for (const said of [
        password,
        JSON.stringify(password),
        encodeURIComponent(password),
        Buffer.from(password).toString("hex"),
      ]) {
        expect(redact(before + said + after).replaceAll(removed, "\u0000")).not.toContain(password);
      }
    }),
  );
});

test("a secret that begins with another secret is redacted completely", () => {
  expect(makeRedaction(["password", "password-of-the-house"])("password-of-the-house")).toBe(removed);
});

test.each([
  ["wpa_supplicant: psk=0123456789abcdef and more", "0123456789abcdef"],
  ['network={ psk="two words" }', "two words"],
  ['{"tokenKey":"canary-seed","name":"attic"}', "canary-seed"],
  ["PrivateKey = canaryKey=", "canaryKey="],
  ["  preshared key: canaryKey=", "canaryKey="],
  ["mqtt://me:canary@broker.example/", "canary"],
  ["-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n-----END OPENSSH PRIVATE KEY-----", "canary"],
  ["-----BEGIN PRIVATE KEY-----\ncanary, cut off", "canary"],
])("what looks like a secret goes, though nobody told of it: %s", (text, secret) => {
  expect(makeRedaction([])(text)).not.toContain(secret);
});

test("text without secrets stays unchanged", () => {
  const text =
    "  public key: abc=\n  private key: (hidden)\n  endpoint: 192.168.1.7:51820\nhttp://attic.local:80/ mqtt://broker:1883 token 0011";
  expect(makeRedaction(["", "ab"])(text)).toBe(text);
});
