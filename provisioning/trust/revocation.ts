// The revocations: a set that only grows. Each takes effect when a device sees it, in any order. Two devices compare their sets by the
// digests of the documents: a number may have been used twice, or by a thief.
import { z } from "zod";
import { DeviceName, Digest, EpochMs, Id, PublicKey, TokenId } from "./fields.ts";
import { digestOf, readUnverified, sign, verify } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import type { DeviceId } from "./names.ts";
import type { NeighborhoodKeys } from "./neighborhood-keys.ts";
import { Refusal } from "./refusal.ts";

/** Of each of the rollouts that a device keeps two documents, if operators disagree. */
export const mostStopped = 32;

export const Revocation = z.object({
  v: z.literal(1),
  neighborhood: Id,
  number: z.int().min(1).describe("higher than any that the owner knew, and at least the time in ms"),
  issuedAt: EpochMs,
  revoke: z.discriminatedUnion("kind", [
    z.object({
      kind: z.literal("device"),
      device: Id,
      name: DeviceName.exactOptional().describe("what the owner called it, who may say it again"),
      token: TokenId.describe("keeps only the devices that stay, and those that the root adopts later"),
      stays: z.array(Id).max(500).describe("devices by that token that the owner keeps"),
    }),
    z.object({ kind: z.literal("token"), token: TokenId, stays: z.array(Id).max(500) }),
    z.object({
      kind: z.literal("operator"),
      key: PublicKey,
      stopped: z
        .array(Digest)
        .max(mostStopped)
        .exactOptional()
        .describe("digests of its rollouts, which stay stopped: whoever comes later hears of these too"),
    }),
  ]),
});
export type Revocation = z.infer<typeof Revocation>;

/** What a revocation says about a token: only these devices by it stay, and those that the root adopts later. */
export type Closure = {
  digest: string;
  number: number;
  because: "tokenClosed" | "tokenRevoked";
  stays: ReadonlySet<DeviceId>;
};

export type Revocations = {
  /** The newest. */
  number: number;
  devices: ReadonlySet<DeviceId>;
  /** By token id. A device has to pass all of them. */
  closures: ReadonlyMap<string, readonly Closure[]>;
  operators: ReadonlySet<string>;
  /** Digests of what these had ordered of rollouts, as the owner knew it: no revoked key can add to it. */
  stopped: ReadonlySet<string>;
  /** The documents, ordered by number, then by string: stored on disk, and sent to members that lack them. */
  documents: readonly { digest: string; number: number; jws: string }[];
};

export const noRevocations: Revocations = {
  number: 0,
  devices: new Set(),
  closures: new Map(),
  operators: new Set(),
  stopped: new Set(),
  documents: [],
};

/** For the next revocation. By the clock, so that a neighborhood recovered from paper, which knows none, does not begin again at 1. */
export const nextNumber = ({ number }: Revocations, nowMs: number): number => Math.max(number + 1, nowMs);

export const signRevocation = (revocation: Revocation, root: SigningKey): Promise<string> =>
  sign("hamlet-revocation", revocation, root);

/** The set with one more document; the same set if it was known. Throws `Refusal`. */
export async function addRevocation(known: Revocations, jws: string, keys: NeighborhoodKeys): Promise<Revocations> {
  if (known.documents.some((document) => document.jws === jws)) return known;
  const digest = digestOf(jws);
  const revocation = await verifyRevocation(jws, digest, keys);
  const documents = [...known.documents, { digest, number: revocation.number, jws }].sort(byNumber);
  return { ...apply(known, revocation, digest), documents, number: documents.at(-1)!.number };
}

/** Adds the valid documents, in any order, and returns the refusals of the others. What follows on `mostRefused` of them is not read. */
export async function addRevocations(
  known: Revocations,
  documents: readonly string[],
  keys: NeighborhoodKeys,
  mostRefused = Number.POSITIVE_INFINITY,
): Promise<{ revocations: Revocations; refused: Refusal[] }> {
  let revocations = known;
  const refused: Refusal[] = [];
  for (const jws of documents) {
    if (refused.length >= mostRefused) break;
    try {
      revocations = await addRevocation(revocations, jws, keys);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      refused.push(error);
    }
  }
  return { revocations, refused };
}

export type RevokedDevice = Revocation["revoke"] & { kind: "device" };

/** The last first. */
export const revokedDevices = ({ documents }: Pick<Revocations, "documents">): RevokedDevice[] =>
  documents.toReversed().flatMap(({ jws }) => {
    // Verified when it was added.
    const { revoke } = readUnverified("hamlet-revocation", jws, Revocation);
    return revoke.kind === "device" ? revoke : [];
  });

const byNumber = (a: { number: number; digest: string }, b: { number: number; digest: string }) =>
  a.number - b.number || (a.digest < b.digest ? -1 : 1);

/** The documents that a device lacks if it knows those with these digests. */
export function revocationsBeyond(known: Revocations, digests: readonly string[]): string[] {
  const theirs = new Set(digests);
  return known.documents.filter(({ digest }) => !theirs.has(digest)).map(({ jws }) => jws);
}

async function verifyRevocation(jws: string, digest: string, keys: NeighborhoodKeys): Promise<Revocation> {
  readUnverified("hamlet-revocation", jws, Revocation);
  // Of a replaced root those count that the owner named when it was replaced; any other can only be by a thief.
  const formerRoots = keys.revocations?.has(digest) ? (keys.formerRoots ?? []) : [];
  for (const root of [keys.rootKey, ...formerRoots]) {
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

function apply(known: Revocations, { number, revoke }: Revocation, digest: string): Revocations {
  const closed = (because: Closure["because"], token: string, stays: readonly DeviceId[]) => {
    const closure: Closure = { digest, number, because, stays: new Set(stays) };
    const all = [...(known.closures.get(token) ?? []), closure].sort(byNumber);
    return new Map(known.closures).set(token, all);
  };
  switch (revoke.kind) {
    case "device": {
      const devices = new Set([...known.devices, revoke.device]);
      return { ...known, devices, closures: closed("tokenClosed", revoke.token, revoke.stays) };
    }
    case "token":
      return { ...known, closures: closed("tokenRevoked", revoke.token, revoke.stays) };
    case "operator":
      return {
        ...known,
        operators: new Set([...known.operators, revoke.key]),
        stopped: new Set([...known.stopped, ...(revoke.stopped ?? [])]),
      };
  }
}
