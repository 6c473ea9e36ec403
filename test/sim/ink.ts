// Signatures that cost nothing: as long as real ones and different for each text. Nothing in a simulation forges them.
import { type Claim, claimText, type Proofs } from "../../agent/cluster/news.ts";

export const ink: Proofs = {
  sign: (claim) => inkOf(claim),
  verify: (claim, signature) => inkOf(claim) === signature,
};

function inkOf(claim: Claim): string {
  let hash = 0x811c9dc5; // FNV-1a
  for (const letter of claimText(claim)) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193);
  return (hash >>> 0).toString(36).padStart(86, "-");
}

/** The id of simulated member `index`. */
export function idOf(index: number): string {
  let id = "";
  for (let rest = index; id.length < 26; rest = Math.floor(rest / 32))
    id = "abcdefghijklmnopqrstuvwxyz234567"[rest % 32] + id;
  return id;
}
