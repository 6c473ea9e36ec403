// What the commands that change a rollout have in common: the whole order is signed again under the next number.
import { maxNumber } from "../../../provisioning/trust/order.ts";
import { type Rollout, signRollout } from "../../../provisioning/trust/rollout.ts";
import { systemClock } from "../../../system/clock.ts";
import { HamletError } from "../../../system/error.ts";
import type { Context, Input, Option } from "../../terminal/command.ts";
import { deviceOption } from "../../terminal/device.ts";
import { operate } from "../neighborhood/operate.ts";
import { ownerOptions } from "../neighborhood/owner.ts";
import { nextOf } from "./again.ts";
import { rolloutNamed, shortId, withAutomatic } from "./named.ts";

export type Change = {
  /** `wave`: index of the wave that is under way; 0 if the rollout has not begun. */
  to: (rollout: Omit<Rollout, "certificate">, wave: number) => Pick<Rollout, "state" | "promoted">;
  /** What the rollout does or is now, as in "is paused". */
  done: (changed: Rollout) => string;
  /** Before anything is signed. `isStopped`: it is paused, although its document says that it runs. */
  ask?: (rollout: Omit<Rollout, "certificate">, isStopped: boolean) => Promise<void>;
};

export const changeOptions: Record<string, Option> = {
  ...deviceOption,
  json: { type: "boolean", describe: "print the result as JSON" },
  ...ownerOptions,
};

/** Throws `rollout.unknown`, `rollout.ambiguous` or `rollout.over`. */
export function changeRollout({ positionals: [wanted], values }: Input, context: Context, change: Change) {
  return operate(values, context, async ({ owned, orders, rollout: standing, operator, hand }) => {
    const known = withAutomatic(orders.rollouts, standing, owned.keys.id, systemClock.now());
    const { rollout, state } = rolloutNamed(known, wanted, standing);
    const over = (because: string) =>
      new HamletError("rollout.over", `rollout ${shortId(rollout)} of ${rollout.release} ${because}`, {
        hint: `start it again: hamlet rollout start --release ${rollout.release}`,
        exitCode: 3,
      });
    const its = standing?.rollout === rollout.rollout ? standing : undefined;
    const to = change.to(rollout, its?.wave ?? 0);
    // An abort may be given again: it outlives a revoked operator only in another one's words.
    if (state === "aborted" && to.state !== "aborted") throw over("is aborted");
    await change.ask?.(rollout, rollout.state === "running" && (state === "paused" || its?.state === "paused"));
    const by = await operator();
    if (rollout.number === maxNumber && to.state !== "aborted") throw over("has no higher number left");
    const next = nextOf(rollout, by, to, systemClock.now());
    const handed = await hand(await signRollout(next, by.key), {
      hint: "see how it stands with hamlet rollout status, and run the command again if you still mean it",
      isSameByAnyone: to.state === "aborted",
    });
    const isSo = to.state === "aborted" && (state === "aborted" || handed === "already");
    const { rollout: id, number, state: is, promoted } = next;
    if (values["json"])
      context.print(JSON.stringify({ rollout: id, release: rollout.release, number, state: is, promoted }));
    else
      context.print(`rollout ${shortId(rollout)} of ${rollout.release} ${change.done(next)}${isSo ? " already" : ""}`);
  });
}
