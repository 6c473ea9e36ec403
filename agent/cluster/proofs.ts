// Signatures of members' statements about themselves and others: raw Ed25519, 86 characters, over exact bytes.
import { type KeyObject, sign, verify } from "node:crypto";
import { publicKeyObject } from "../../provisioning/trust/keys.ts";
import { type Charge, type Claim, type Proofs, speakerOf, statementText } from "./news.ts";

export type SignLiveness = (statement: Claim | Charge) => string;

export const livenessSigner =
  (privateKey: KeyObject): SignLiveness =>
  (statement) =>
    sign(null, Buffer.from(statementText(statement)), privateKey).toString("base64url");

/** `deviceKeyOf` returns undefined for a device that is no member; its statements never verify. */
export function makeProofs(
  self: { id: string; signLiveness: SignLiveness },
  deviceKeyOf: (id: string) => string | undefined,
): Proofs {
  const keys = new Map<string, KeyObject>();
  const keyOf = (deviceKey: string): KeyObject => {
    const known = keys.get(deviceKey);
    if (known) return known;
    const key = publicKeyObject(deviceKey);
    if (keys.size >= 4_096) keys.clear();
    keys.set(deviceKey, key);
    return key;
  };
  return {
    sign: self.signLiveness,
    verify(statement, signature) {
      const speaker = speakerOf(statement);
      // Ed25519 is deterministic: to check our own statement, sign it again.
      if (speaker === self.id) return self.signLiveness(statement) === signature;
      const deviceKey = deviceKeyOf(speaker);
      if (deviceKey === undefined) return false;
      return verify(null, Buffer.from(statementText(statement)), keyOf(deviceKey), Buffer.from(signature, "base64url"));
    },
  };
}
