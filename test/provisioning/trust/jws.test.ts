import { createHmac } from "node:crypto";
import { CompactSign } from "jose";
import { expect, test } from "vitest";
import { z } from "zod";
import { sign, verify } from "../../../provisioning/trust/jws.ts";
import {
  exportSigningKey,
  generateSigningKey,
  importSigningKey,
  seedOf,
  signingKeyFromSeed,
} from "../../../provisioning/trust/keys.ts";
import type { RefusalCode } from "../../../provisioning/trust/refusal.ts";

const Greeting = z.object({ hello: z.string() });
const key = generateSigningKey();
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const withHeader = (header: Record<string, unknown>) =>
  new CompactSign(Buffer.from('{"hello":"street"}'))
    .setProtectedHeader({ alg: "EdDSA", typ: "hamlet-token", ...header })
    .sign(key.privateKey);
const refusal = (jws: string, publicKey = key.publicKey): Promise<RefusalCode | "accepted"> =>
  verify("hamlet-token", jws, publicKey, Greeting).then(
    () => "accepted" as const,
    (error) => error.refusal,
  );

test("a signed document verifies under its own type and key only", async () => {
  const jws = await sign("hamlet-token", { hello: "street" }, key);
  expect(await verify("hamlet-token", jws, key.publicKey, Greeting)).toEqual({ hello: "street" });
  expect(await refusal(await sign("hamlet-member", { hello: "street" }, key))).toBe("wrongType");
  expect(await refusal(jws, generateSigningKey().publicKey)).toBe("badSignature");
  expect(await refusal(await sign("hamlet-token", { goodbye: 1 }, key))).toBe("badContent");
  expect(await refusal(await sign("hamlet-token", { hello: "x".repeat(70_000) }, key))).toBe("tooLarge");
});

test("no other algorithm is accepted, with any signature", async () => {
  const [, payload, signature] = (await sign("hamlet-token", { hello: "street" }, key)).split(".");
  const none = `${encode({ alg: "none", typ: "hamlet-token" })}.${payload}.`;
  expect(await refusal(none)).toBe("malformed");
  expect(await refusal(`${encode({ alg: "none", typ: "hamlet-token" })}.${payload}.${signature}`)).toBe(
    "wrongAlgorithm",
  );
  // The classic attack: the public key used as an HMAC secret.
  const signed = `${encode({ alg: "HS256", typ: "hamlet-token" })}.${payload}`;
  const mac = createHmac("sha512", Buffer.from(key.publicKey, "base64url")).update(signed).digest("base64url");
  expect(await refusal(`${signed}.${mac}`)).toBe("wrongAlgorithm");
});

test("a header contains algorithm and type and nothing else", async () => {
  expect(await refusal(await withHeader({}))).toBe("accepted");
  expect(await refusal(await withHeader({ kid: "1" }))).toBe("malformed");
  expect(await refusal(await withHeader({ jwk: { kty: "OKP", crv: "Ed25519", x: key.publicKey } }))).toBe("malformed");
  expect(await refusal(await withHeader({ typ: "hamlet-record" }))).toBe("wrongType");
});

test("a document has exactly one encoding: spare bits, padding and spaces are refused", async () => {
  const jws = await sign("hamlet-token", { hello: "street" }, key);
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const last = alphabet.indexOf(jws.at(-1)!);
  expect(last % 16).toBe(0);
  expect(await refusal(jws.slice(0, -1) + alphabet[last + 1])).toBe("malformed");
  for (const other of [`${jws}=`, `${jws}\n`, ` ${jws}`, jws.replace(".", ".."), `${jws}.`, jws.slice(0, -4)]) {
    expect(await refusal(other)).toBe("malformed");
  }
});

test("a key can be read from its PEM, seed and JWK; keys of other kinds are refused", () => {
  const again = [
    importSigningKey(exportSigningKey(key)),
    signingKeyFromSeed(seedOf(key)),
    importSigningKey(key.privateKey.export({ format: "jwk" })),
  ];
  for (const copy of again) expect(copy.publicKey).toBe(key.publicKey);
  expect(() => importSigningKey("-----BEGIN")).toThrow("not an Ed25519 key");
  expect(() => signingKeyFromSeed("AAAA")).toThrow("not an Ed25519 key");
});

test("a refusal is a HamletError that carries the reason along with its code", async () => {
  const jws = await sign("hamlet-token", { hello: "street" }, key);
  const refused = verify("hamlet-token", jws, generateSigningKey().publicKey, Greeting);
  await expect(refused).rejects.toMatchObject({ code: "document.refused", refusal: "badSignature" });
});
