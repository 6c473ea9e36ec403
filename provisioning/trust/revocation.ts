// The revocations: a set that only grows. The root numbers them 1, 2, 3, ... Each takes effect when a device sees it, in any order.
// `number` is the number up to which a device has seen all of them; two devices compare it in a hello.
import { z } from "zod";
import { EpochMs, Id, PublicKey, TokenId } from "./fields.ts";
import { readUnverified, sign, verify } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import type { DeviceId } from "./names.ts";
import type { NeighborhoodKeys } from "./neighborhood-keys.ts";
import { Refusal } from "./refusal.ts";

export const Revocation = z.object({
  v: z.literal(1),
  neighborhood: Id,
  number: z.int().min(1),
  issuedAt: EpochMs,
  revoke: z.discriminatedUnion("kind", [
    z.object({
      kind: z.literal("device"),
      device: Id,
      token: TokenId.describe("admits no new device from now on"),
      stays: z.array(Id).max(500).describe("members by that token that the owner knows, which are no newcomers"),
    }),
    z.object({ kind: z.literal("token"), token: TokenId, stays: z.array(Id).max(500) }),
    z.object({ kind: z.literal("operator"), key: PublicKey }),
  ]),
});
export type Revocation = z.infer<typeof Revocation>;

export type Revocations = {
  /** All revocations up to this number are known. */
  number: number;
  devices: ReadonlySet<DeviceId>;
  /** Token ids that admit no new device, because one of their devices was revoked -> members by them that the owner named. */
  closedTokens: ReadonlyMap<string, ReadonlySet<DeviceId>>;
  /** Token id -> number of its newest revocation, and the devices that all of its revocations let stay. */
  tokens: ReadonlyMap<string, { number: number; stays: ReadonlySet<DeviceId> }>;
  operators: ReadonlySet<string>;
  /** The documents, ordered by number, then by string: stored on disk, and sent to members that are behind. */
  documents: readonly { number: number; jws: string }[];
};

export const noRevocations: Revocations = {
  number: 0,
  devices: new Set(),
  closedTokens: new Map(),
  tokens: new Map(),
  operators: new Set(),
  documents: [],
};

export const signRevocation = (revocation: Revocation, root: SigningKey): Promise<string> =>
  sign("hamlet-revocation", revocation, root);

/** The set with one more document; the same set if it was known. Throws `Refusal`. */
export async function addRevocation(known: Revocations, jws: string, keys: NeighborhoodKeys): Promise<Revocations> {
  if (known.documents.some((document) => document.jws === jws)) return known;
  const revocation = await verifyRevocation(jws, keys);
  const documents = [...known.documents, { number: revocation.number, jws }].sort(
    (a, b) => a.number - b.number || (a.jws < b.jws ? -1 : 1),
  );
  return { ...apply(known, revocation), documents, number: lastWithoutGap(documents) };
}

/** Adds the valid documents, in any order, and returns the refusals of the others. */
export async function addRevocations(
  known: Revocations,
  documents: readonly string[],
  keys: NeighborhoodKeys,
): Promise<{ revocations: Revocations; refused: Refusal[] }> {
  let revocations = known;
  const refused: Refusal[] = [];
  for (const jws of documents) {
    try {
      revocations = await addRevocation(revocations, jws, keys);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      refused.push(error);
    }
  }
  return { revocations, refused };
}

/** The documents that a device lacks if it has seen all up to `number`. */
export const revocationsAfter = (known: Revocations, number: number): string[] =>
  known.documents.filter((document) => document.number > number).map((document) => document.jws);

async function verifyRevocation(jws: string, keys: NeighborhoodKeys): Promise<Revocation> {
  const claimed = readUnverified("hamlet-revocation", jws, Revocation);
  // Revocations by a replaced root are valid up to the number fixed at its replacement; later ones can only be by a thief.
  const roots = (keys.formerRoots ?? []).filter((former) => claimed.number <= former.lastRevocation);
  for (const root of [keys.rootKey, ...roots.map((former) => former.rootKey)]) {
    const revocation = await verify("hamlet-revocation", jws, root, Revocation).catch((error: unknown) => {
      if (error instanceof Refusal && error.refusal === "badSignature") return undefined;
      throw error;
    });
    if (!revocation) continue;
    if (revocation.neighborhood !== keys.id)
      throw new Refusal("wrongNeighborhood", "a revocation of another neighborhood");
    return revocation;
  }
  throw new Refusal("badSignature", "no root with that right signed this revocation");
}

function apply(known: Revocations, { number, revoke }: Revocation): Revocations {
  switch (revoke.kind) {
    case "device": {
      const stays = new Set([...(known.closedTokens.get(revoke.token) ?? []), ...revoke.stays]);
      return {
        ...known,
        devices: new Set([...known.devices, revoke.device]),
        closedTokens: new Map([...known.closedTokens, [revoke.token, stays]]),
      };
    }
    case "token": {
      const before = known.tokens.get(revoke.token);
      // A device that one revocation excludes stays excluded: lists are intersected, so the order of arrival makes no difference.
      const stays = new Set(before ? revoke.stays.filter((id) => before.stays.has(id)) : revoke.stays);
      const entry = { number: Math.max(number, before?.number ?? 0), stays };
      return { ...known, tokens: new Map([...known.tokens, [revoke.token, entry]]) };
    }
    case "operator":
      return { ...known, operators: new Set([...known.operators, revoke.key]) };
  }
}

function lastWithoutGap(documents: Revocations["documents"]): number {
  let last = 0;
  for (const { number } of documents) if (number === last + 1) last = number;
  return last;
}
