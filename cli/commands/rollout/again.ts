// A rollout as another order says it once more: the whole document under the next number, signed by whoever gives it.
// Pure.
import type { OrdersStatus } from "../../../agent/api/orders.ts";
import type { Status } from "../../../agent/api/schema.ts";
import { operatorIdOf } from "../../../provisioning/trust/operator.ts";
import { maxNumber, type Operator, signatureOf } from "../../../provisioning/trust/order.ts";
import type { Rollout } from "../../../provisioning/trust/rollout.ts";
import { openRollouts } from "./named.ts";

type Known = OrdersStatus["rollouts"][number]["rollout"];
type Change = Pick<Rollout, "state" | "promoted">;
export type Stopped = { rollout: Known; change: Change };

/** The last number is given again: an abort is above every other, and of two who disagree nobody goes on. */
export const nextOf = (rollout: Known, by: Operator, change: Change, issuedAt: number): Rollout => ({
  ...{ ...rollout, ...signatureOf(rollout.neighborhood, by), ...change },
  ...{ number: Math.min(rollout.number + 1, maxNumber), issuedAt },
});

/**
 * What stops once the operator with this key is revoked. Devices refuse its word then, so that those which have not heard it would go on by
 * an earlier one: an abort stays an abort, and the others pause until somebody goes on with them.
 */
export function stoppedWith(
  key: string,
  { rollouts }: Pick<OrdersStatus, "rollouts">,
  standing: Status["rollout"],
  nowMs: number,
): Stopped[] {
  const open = openRollouts(rollouts, standing);
  return rollouts.flatMap((one): Stopped[] => {
    const { rollout, state, because } = one;
    // Of two who disagree the other's word counts.
    if (rollout.operator !== operatorIdOf(key) || because === "operatorsDisagree") return [];
    if (state === "aborted") return [{ rollout, change: { state, promoted: rollout.promoted } }];
    // One that is dated ahead would stand in the way of later ones: it goes with whoever signed it.
    if (!open.includes(one) || rollout.startedAt > nowMs) return [];
    return [{ rollout, change: { state: "paused", promoted: rollout.promoted } }];
  });
}
