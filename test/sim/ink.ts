// Signatures that cost nothing: as long as real ones and different for each speaker and text. A simulated forger signs as itself.
import { type Charge, type Claim, type Proofs, speakerOf, statementText } from "../../agent/cluster/news.ts";

export const ink: Proofs = {
  sign: (statement) => inkOf(statement),
  verify: (statement, signature) => inkOf(statement) === signature,
};

/** What `speaker` would sign, whatever name the statement bears. */
export function inkOf(statement: Claim | Charge, speaker = speakerOf(statement)): string {
  let hash = 0x811c9dc5; // FNV-1a
  for (const letter of speaker + statementText(statement)) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193);
  return (hash >>> 0).toString(36).padStart(86, "-");
}

const ids: string[] = [];

/** The id of simulated member `index`. */
export function idOf(index: number): string {
  ids[index] ??= makeId(index);
  return ids[index];
}

function makeId(index: number): string {
  // Like real ids, they differ in their first letters.
  let id = "";
  for (let rest = index; id.length < 26; rest = Math.floor(rest / 32))
    id += "abcdefghijklmnopqrstuvwxyz234567"[rest % 32];
  return id;
}
