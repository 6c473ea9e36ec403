// Signatures of members' claims about themselves: raw Ed25519, 86 characters, over exact bytes.
import { type KeyObject, sign, verify } from "node:crypto";
import { publicKeyObject } from "../../provisioning/trust/keys.ts";
import { type Claim, claimText, type Proofs } from "./news.ts";

export type SignLiveness = (claim: Claim) => string;

export const livenessSigner =
  (privateKey: KeyObject): SignLiveness =>
  (claim) =>
    sign(null, Buffer.from(claimText(claim)), privateKey).toString("base64url");

/** `deviceKeyOf` returns undefined for a device that is no member; its claims never verify. */
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
    verify(claim, signature) {
      // Ed25519 is deterministic: to check our own claim, sign it again.
      if (claim.id === self.id) return self.signLiveness(claim) === signature;
      const deviceKey = deviceKeyOf(claim.id);
      if (deviceKey === undefined) return false;
      return verify(null, Buffer.from(claimText(claim)), keyOf(deviceKey), Buffer.from(signature, "base64url"));
    },
  };
}
