// Which rollout a person means.
// Pure.
import type { OrdersStatus } from "../../../agent/api/orders.ts";
import type { Status } from "../../../agent/api/schema.ts";
import { HamletError } from "../../../system/error.ts";

type Known = OrdersStatus["rollouts"][number];

/** A new id from 16 random bytes. The first bit is always 0, so that it begins with a letter: `-` would make an option of it. */
export const newId = ([first = 0, ...more]: Uint8Array): string =>
  Buffer.from([first & 0x7f, ...more]).toString("base64url");

/** As people see it: enough to tell the few that a device keeps apart. */
export const shortId = ({ rollout }: { rollout: string }): string => rollout.slice(0, 8);

/**
 * With the one that came by itself, as an operator would have ordered it: whoever changes it signs it, and takes it over from its publisher.
 * `standing`: how the rollout stands that is under way.
 */
export function withAutomatic(
  known: readonly Known[],
  standing: Status["rollout"],
  neighborhood: string,
  nowMs: number,
): readonly Known[] {
  if (!standing?.auto) return known;
  const { rollout, number, release, auto } = standing;
  const { publisher, hasZone: _, ...terms } = auto;
  const order = {
    ...{ v: 1 as const, neighborhood, operator: publisher, number, issuedAt: nowMs, rollout, startedAt: nowMs },
    ...{ state: "running" as const, promoted: 0, release, ...terms, maxUnavailable: 1 },
  };
  return [...known, { rollout: order, state: "running", operators: [] }];
}

/** Those that are neither aborted nor done. `standing`: how the one stands that is under way, or was the last. */
export function openRollouts(known: readonly Known[], standing: Status["rollout"]): Known[] {
  const alive = known.filter(({ state }) => state !== "aborted");
  if (!standing) return alive;
  const isOpen = standing.state === "running" || standing.state === "paused";
  const open = [...(isOpen ? [standing] : []), ...standing.later].map(({ rollout }) => rollout);
  return alive.filter(({ rollout }) => open.includes(rollout.rollout));
}

/**
 * By release or the first characters of its id; the only one that is open if nothing is given. Throws `rollout.unknown` or
 * `rollout.ambiguous`.
 */
export function rolloutNamed(
  known: readonly Known[],
  wanted: string | undefined,
  standing: Status["rollout"] = undefined,
): Known {
  const isMeant = ({ rollout }: Known) =>
    wanted === undefined || rollout.release === wanted || (wanted.length >= 4 && rollout.rollout.startsWith(wanted));
  const open = openRollouts(known, standing).filter(isMeant);
  // Of those of a release that are over the last one is meant.
  const over = wanted === undefined ? [] : known.filter(isMeant).slice(-1);
  const chosen = open.length > 0 ? open : over;
  const all = (some: readonly Known[]) =>
    some.map(({ rollout }) => `${rollout.release} (${shortId(rollout)})`).join(", ");
  if (chosen.length === 1) return chosen[0]!;
  if (chosen.length === 0) {
    throw new HamletError(
      "rollout.unknown",
      wanted === undefined ? "no rollout is under way" : `there is no rollout ${wanted}`,
      {
        hint:
          known.length > 0
            ? `those that are known: ${all(known)}`
            : "start one: hamlet rollout start --release <version>",
      },
    );
  }
  throw new HamletError("rollout.ambiguous", `${chosen.length} rollouts fit: ${all(chosen)}`, {
    hint: "name one by its release or by the first characters of its id",
    exitCode: 3,
  });
}
