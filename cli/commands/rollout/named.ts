// Which rollout a person means.
// Pure.
import type { OrdersStatus } from "../../../agent/api/orders.ts";
import { HamletError } from "../../../system/error.ts";

type Known = OrdersStatus["rollouts"][number];

/** As people see it: enough to tell the few that a device keeps apart. */
export const shortId = ({ rollout }: { rollout: string }): string => rollout.slice(0, 8);

/**
 * By release or the first characters of its id; the only one that is not aborted if nothing is given. Throws `rollout.unknown` or
 * `rollout.ambiguous`.
 */
export function rolloutNamed(known: readonly Known[], wanted: string | undefined): Known {
  const fits = known.filter(({ rollout, state }) =>
    wanted === undefined
      ? state !== "aborted"
      : rollout.release === wanted || (wanted.length >= 4 && rollout.rollout.startsWith(wanted)),
  );
  // A release that was aborted and started again: the last one is meant.
  const alive = fits.filter(({ state }) => state !== "aborted");
  const chosen = alive.length > 0 ? alive : fits.slice(-1);
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
