// What a witness says counts only as its own word, about that device, in answer to that question.
import { expect, test } from "vitest";
import { sign } from "../../../provisioning/trust/jws.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import { deviceIdOf } from "../../../provisioning/trust/names.ts";
import type { RefusalCode } from "../../../provisioning/trust/refusal.ts";
import {
  maxWitnessChars,
  signStatement,
  verifyStatement,
  type WitnessStatement,
} from "../../../provisioning/trust/witness.ts";

const [cellar, garden] = [generateSigningKey(), generateSigningKey()];
const [cellarId, gardenId] = [deviceIdOf(cellar.publicKey), deviceIdOf(garden.publicKey)];
const atticId = deviceIdOf(generateSigningKey().publicKey);
const nonce = "n".repeat(22);
const expected = { by: cellarId, key: cellar.publicKey, device: atticId, nonce };
const statement: WitnessStatement = {
  ...{ v: 1, by: cellarId, device: atticId, nonce, duties: [] },
  ...{ handshakeS: 3, gossip: "boot-2", connection: "boot-2" },
};
const refusalOf = (jws: string, against = expected) => {
  try {
    verifyStatement(jws, against);
    return undefined;
  } catch (error) {
    return (error as { refusal: RefusalCode }).refusal;
  }
};

test("a witness's own word in answer to the question is read, without what it has nothing to say of", async () => {
  expect(verifyStatement(await signStatement(statement, cellar), expected)).toEqual(statement);
  const { handshakeS: _, gossip: __, connection: ___, ...blind } = statement;
  expect(verifyStatement(await signStatement(blind, cellar), expected)).toEqual(blind);
});

test("what a later release adds is passed over", async () => {
  const later = { ...statement, relays: 3, duties: ["relay"] };
  const read = verifyStatement(await sign("hamlet-witness", later, cellar), expected);
  expect(read).toEqual({ ...statement, duties: ["relay"] });
});

test.each<[string, () => Promise<string>, RefusalCode]>([
  ["forged by another member", () => signStatement(statement, garden), "badSignature"],
  ["another member's", () => signStatement({ ...statement, by: gardenId }, cellar), "idMismatch"],
  ["about another device", () => signStatement({ ...statement, device: gardenId }, cellar), "wrongDevice"],
  ["an earlier trial's", () => signStatement({ ...statement, nonce: "o".repeat(22) }, cellar), "staleNonce"],
  ["another kind of document", () => sign("hamlet-answer", statement, cellar), "wrongType"],
  ["of another format", () => sign("hamlet-witness", { ...statement, v: 2 }, cellar), "badContent"],
  ["from the future", () => sign("hamlet-witness", { ...statement, handshakeS: -1 }, cellar), "badContent"],
  ["without end", () => signStatement({ ...statement, duties: Array(60).fill("x".repeat(32)) }, cellar), "tooLarge"],
  ["no document", async () => "{}", "malformed"],
])("a statement that is %s is refused", async (_, make, refusal) => {
  expect(refusalOf(await make())).toBe(refusal);
});

test("one that was changed after it was signed is refused", async () => {
  const [header, , signature] = (await signStatement(statement, cellar)).split(".");
  const payload = Buffer.from(JSON.stringify({ ...statement, handshakeS: 0 })).toString("base64url");
  expect(refusalOf(`${header}.${payload}.${signature}`)).toBe("badSignature");
  expect(refusalOf(await signStatement(statement, cellar), { ...expected, key: "not a key" })).toBe("badSignature");
  expect((await signStatement(statement, cellar)).length).toBeLessThan(maxWitnessChars / 2);
});
