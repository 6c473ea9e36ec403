// Members that answer an updater's question as witnesses, with real keys.
import { signPart } from "../../../provisioning/trust/jws.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import { deviceIdOf } from "../../../provisioning/trust/names.ts";
import { signStatement, type WitnessStatement } from "../../../provisioning/trust/witness.ts";

export const attic = deviceIdOf(generateSigningKey().publicKey);
export type Witness = ReturnType<typeof makeMember>;
export function makeMember() {
  const key = generateSigningKey();
  const id = deviceIdOf(key.publicKey);
  const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return {
    ...{ id, key: key.publicKey },
    /** Says what it is told to, of the device `attic`. */
    says: (nonce: string, seen: Partial<WitnessStatement>) =>
      signStatement({ v: 1, by: id, device: attic, nonce, duties: [], ...seen }, key),
    /** The same where nothing waits, as in a model whose time passes when all else is done. */
    saysAtOnce(nonce: string, seen: Partial<WitnessStatement>) {
      const statement = { v: 1, by: id, device: attic, nonce, duties: [], ...seen };
      const head = `${encoded({ alg: "EdDSA", typ: "hamlet-witness" })}.${encoded(statement)}`;
      return `${head}.${signPart("hamlet-witness", statement, key)}`;
    },
  };
}
