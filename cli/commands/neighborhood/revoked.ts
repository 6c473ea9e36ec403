// Whom a revocation means, and who stays.
// Pure.
import type { Status } from "../../../agent/api/schema.ts";
import type { NeighborhoodFile } from "../../../provisioning/neighborhood/neighborhood.ts";
import type { RevokedDevice } from "../../../provisioning/trust/revocation.ts";
import type { TokenCertificate } from "../../../provisioning/trust/token.ts";
import { HamletError } from "../../../system/error.ts";

export type Members = Status["members"];
/** `token`: the one that a revocation of it closes. `stayed`: who stays by the revocation that is signed already. */
export type Revoked =
  | { kind: "device"; name: string; id: string; token: string; stayed?: readonly string[] }
  | { kind: "token"; name: string; id: string; token: string }
  | { kind: "operator"; name: string; key: string };

type Known = {
  members: Members;
  tokens: readonly Pick<TokenCertificate, "id">[];
  operators: NeighborhoodFile["operators"];
  /** The last first. */
  revoked: readonly RevokedDevice[];
};

/**
 * A member by name or id, a token by id, a device that is out already by name or id, an operator by name or key, in this order. Throws
 * `revocation.unknown`.
 */
export function findRevoked(wanted: string, { members, tokens, operators, revoked }: Known): Revoked {
  const member = members.find(({ id, name }) => id === wanted || name === wanted);
  if (member?.tokenId !== undefined) {
    return { kind: "device", name: member.name, id: member.id, token: member.tokenId };
  }
  const token = tokens.find(({ id }) => id === wanted);
  if (token) return { kind: "token", name: `token ${token.id}`, id: token.id, token: token.id };
  // The answer was lost after the device took the revocation: whoever says it again must not hit an operator of that name.
  const gone = revoked.find(({ device, name }) => device === wanted || name === wanted);
  if (gone) {
    const { device: id, name = id, token: closed, stays } = gone;
    return { kind: "device", name, id, token: closed, stayed: stays };
  }
  const operator = operators.find(({ name, key }) => name === wanted || key === wanted);
  if (operator) return { kind: "operator", name: operator.name, key: operator.key };
  throw new HamletError("revocation.unknown", `there is no member, token or operator ${wanted}`, {
    hint: "hamlet status lists the members, hamlet revoke --list tokens and operators",
  });
}

/** The ids of those that stay, of `others`. Throws `revocation.stays`. */
export function readStays(given: string, others: Members): string[] {
  if (given === "all") return others.map(({ id }) => id);
  if (given === "none") return [];
  return given.split(",").map((name) => {
    const other = others.find((one) => one.name === name.trim() || one.id === name.trim());
    if (other) return other.id;
    throw new HamletError("revocation.stays", `${name} did not join with that token`, {
      hint: `those that did: ${others.map((one) => one.name).join(", ")}`,
      exitCode: 2,
    });
  });
}
