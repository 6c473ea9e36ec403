// What a publisher wants to know of a repository: what expires when, what waits for signatures, and the newest releases.

import type { RolloutPolicy } from "../../provisioning/trust/rollout-policy.ts";
import { documentsOf, type Expiry, expiryOf } from "./expiry.ts";
import { filesIn } from "./files.ts";
import { readPublished, repositoryFolder } from "./folder.ts";
import { readSealed } from "./keys.ts";
import { authorityOf, keyIdOf } from "./metadata.ts";
import { readReleases } from "./releases.ts";
import { changesOf } from "./review.ts";
import { isTopRole } from "./roles.ts";
import { type Lacking, missingSignatures } from "./signatures.ts";
import { readStaged } from "./staged.ts";

export type RepositoryStatus = {
  /** The first to expire comes first. */
  roles: (Expiry & { hasKey: boolean })[];
  /** `changes`: in words. */
  staged: (Lacking & { changes: string[] })[];
  /** `rollout`: how homes without an operator take the newest by themselves. */
  boards: { board: string; newest?: string; rollout?: RolloutPolicy; releases: number }[];
};

/** Needs no passphrase. Throws `ota.notFound` or `ota.damaged`. */
export async function repositoryStatus(folder: string, now: number): Promise<RepositoryStatus> {
  const current = await readPublished(folder);
  const here = new Set((await readSealed(folder)).map(({ sealed }) => keyIdOf(sealed.publicKey)));
  const roles = [...documentsOf(current)].map(([role, document]) => {
    const authority = authorityOf((isTopRole(role) ? current.root : current.targets).signed, role);
    const own = authority?.keyIds.filter((id) => here.has(id)).length ?? 0;
    return { ...expiryOf(role, document, now), hasKey: own >= (authority?.threshold ?? 1) };
  });
  const boards = [];
  for (const [board, document] of current.boards) {
    const releases = await readReleases(filesIn(repositoryFolder(folder)), board, document);
    const { version: newest, rollout } = releases[0]?.manifest ?? {};
    boards.push({
      ...{ board, releases: releases.length },
      ...(newest !== undefined && { newest }),
      ...(rollout && { rollout }),
    });
  }
  const staged = await readStaged(folder, current);
  return {
    roles: roles.sort((a, b) => a.expiresMs - b.expiresMs),
    staged: missingSignatures(current, staged).map((one) => ({
      ...one,
      changes: changesOf(one.role, staged.get(one.role)!, current, now),
    })),
    boards,
  };
}
