// Which keys are valid in a neighborhood: the founding keys, then each change of root, signed by the successor of its time.
import { z } from "zod";
import { Digest, EpochMs, Id, PublicKey } from "./fields.ts";
import { readUnverified, sign, verify } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import { type DeviceId, type NeighborhoodId, neighborhoodIdOf } from "./names.ts";
import { Refusal } from "./refusal.ts";

/** The keys that are valid now. A token by one of `formerRoots` lets nobody in: only who is a member, or whom the root names, stays. */
export type NeighborhoodKeys = {
  id: NeighborhoodId;
  rootKey: string;
  successorKey: string;
  formerRoots?: readonly string[];
  /** Digests of the revocations by former roots that count, so that a stolen root revokes nobody once it is replaced. */
  revocations?: ReadonlySet<string>;
  /** Members by tokens of former roots that the present root keeps by name, so that newcomers accept them too. */
  stays?: ReadonlySet<DeviceId>;
};

export const Succession = z.object({
  v: z.literal(1),
  neighborhood: Id,
  number: z.int().min(1).describe("1 for the first change of root, then one more each"),
  rootKey: PublicKey.describe("the new root, which is the successor that signs this"),
  successorKey: PublicKey.describe("the next successor"),
  revocations: z.array(Digest).max(256).describe("digests of the revocations by previous roots that count"),
  stays: z.array(Id).max(500).describe("members that the owner knows"),
  issuedAt: EpochMs,
});
export type Succession = z.infer<typeof Succession>;

/** The keys of a new neighborhood. */
export const foundedBy = (rootKey: string, successorKey: string): NeighborhoodKeys => ({
  id: neighborhoodIdOf(rootKey, successorKey),
  rootKey,
  successorKey,
});

export function signSuccession(
  keys: NeighborhoodKeys,
  successor: SigningKey,
  next: Pick<Succession, "successorKey" | "revocations" | "stays" | "issuedAt">,
): Promise<string> {
  const number = (keys.formerRoots?.length ?? 0) + 1;
  const content: Succession = { v: 1, neighborhood: keys.id, number, rootKey: successor.publicKey, ...next };
  return sign("hamlet-succession", content, successor);
}

/** The keys after `successions`, given in any order; known ones change nothing. Throws `Refusal` for an invalid one. */
export async function succeed(keys: NeighborhoodKeys, successions: readonly string[]): Promise<NeighborhoodKeys> {
  const claimed = successions.map((jws) => ({
    jws,
    number: readUnverified("hamlet-succession", jws, Succession).number,
  }));
  let current = keys;
  for (const { jws, number } of claimed.sort((a, b) => a.number - b.number)) {
    const formerRoots = current.formerRoots ?? [];
    if (number <= formerRoots.length) continue;
    const succession = await verify("hamlet-succession", jws, current.successorKey, Succession);
    if (succession.neighborhood !== keys.id)
      throw new Refusal("wrongNeighborhood", "a change of root in another neighborhood");
    if (number !== formerRoots.length + 1 || succession.rootKey !== current.successorKey) {
      throw new Refusal("badContent", "this change of root does not follow the one before it");
    }
    current = {
      id: keys.id,
      rootKey: succession.rootKey,
      successorKey: succession.successorKey,
      formerRoots: [...formerRoots, current.rootKey],
      revocations: new Set([...(current.revocations ?? []), ...succession.revocations]),
      stays: new Set(succession.stays),
    };
  }
  return current;
}
