// A rollout that nobody ordered: the publisher's policy for homes that have no operator. Every member derives the same order from what the
// release's manifest says, so that nobody has to hand it out.
// Pure.
import { createHash } from "node:crypto";
import { compareVersions } from "../../image/boot/versions.ts";
import type { AutoRelease } from "../../provisioning/trust/rollout-policy.ts";
import type { KnownOrder, Order } from "./view.ts";

/** What this device makes of such a rollout. `isRefused`: its owner wants none here. `hasZone`: it was told its time zone. */
export type Here = { isRefused: boolean; hasZone: boolean };

const prefix = "auto";
/** One that an operator has taken over from the publisher keeps its id, and its document is signed like any other. */
export const isAutoId = (rollout: string): boolean => rollout.startsWith(prefix);

/**
 * Boards have manifests of their own: those of one version with one policy are one rollout. Who published it is left out, because members
 * may have been given different roots of one publisher.
 */
export function autoId({ release, policy }: Pick<AutoRelease, "release" | "policy">): string {
  const { kind, waves, soakSeconds, successPercent, maxFailures = null, window = null } = policy;
  const said = JSON.stringify([kind, release, waves, soakSeconds, successPercent, maxFailures, window]);
  return (
    prefix +
    createHash("sha256")
      .update(`hamlet-rollout 1: ${said}`)
      .digest("base64url")
      .slice(0, 22 - prefix.length)
  );
}

export function autoOrder({ release, policy, publisher }: AutoRelease, { isRefused, hasZone }: Here): KnownOrder {
  const { kind: _, window, ...course } = policy;
  const order: Order = {
    ...{ rollout: autoId({ release, policy }), number: 1, state: "running", promoted: 0, release, ...course },
    ...(window !== undefined && hasZone && { window }),
    // It comes before nothing: beside it there is no other.
    ...{ maxUnavailable: 1, startedAt: 0 },
    auto: { publisher, isRefused, ...(window !== undefined && { window }) },
  };
  return { order, operators: [] };
}

/**
 * What counts, with the newest release that this device's updater has verified. Where an operator has ever started a rollout, operators
 * say what is installed. Elsewhere one may have stopped what came by itself, or gone on with it: that counts for its release and all before.
 */
export function withAuto(
  ordered: readonly KnownOrder[],
  auto: AutoRelease | undefined,
  here: Here,
): readonly KnownOrder[] {
  if (!auto || ordered.some(({ order }) => !isAutoId(order.rollout))) return ordered;
  const isReplaced = ordered.some(({ order }) => compareVersions(order.release, auto.release) >= 0);
  return isReplaced ? ordered : [autoOrder(auto, here)];
}
