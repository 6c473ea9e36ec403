// `rollout start --release <version>`: lets the neighborhood take a release, a wave after the other.
import { randomBytes } from "node:crypto";
import { nobodyText } from "../../../dashboard/rollout-words.ts";
import { nobodyFor } from "../../../ota/rollout/nobody.ts";
import { signatureOf } from "../../../provisioning/trust/order.ts";
import { type Rollout, signRollout } from "../../../provisioning/trust/rollout.ts";
import { systemClock } from "../../../system/clock.ts";
import type { Command } from "../../terminal/command.ts";
import { deviceOption } from "../../terminal/device.ts";
import { operate } from "../neighborhood/operate.ts";
import { ownerOptions } from "../neighborhood/owner.ts";
import { newId, openRollouts, shortId } from "./named.ts";
import { describeTerms, readTerms } from "./terms.ts";

export const rolloutStart: Command = {
  usage: "rollout start --release <version>",
  summary: "let the neighborhood take a release, one wave after the other",
  example:
    "hamlet rollout start --release 1.4.0 --waves canary,10%,50%,100% --soak 30m --success 95% --max-failures 1 --window 02:00-05:00",
  details: `
Signs an order with the operator key in the neighborhood's folder and hands it to one device: the others hear of it from there.
Each device finds its own wave, asks the others before it restarts, and says how it went. A threshold that is crossed pauses the rollout.`,
  options: {
    ...deviceOption,
    release: { type: "string", argument: "version", describe: "the release; the repository must have it" },
    waves: {
      type: "string",
      argument: "list",
      default: "canary,10%,50%,100%",
      describe: "one device first, then shares of all",
    },
    soak: {
      type: "string",
      argument: "30m",
      default: "30m",
      describe: "how long a wave must have been well before the next",
    },
    success: { type: "string", argument: "95%", default: "95%", describe: "pause when fewer of a wave succeed" },
    "max-failures": { type: "string", argument: "n", describe: "pause at this failure, whatever the share" },
    "max-unavailable": { type: "string", argument: "n", default: "1", describe: "devices that may be away at once" },
    window: { type: "string", argument: "02:00-05:00", describe: "restart only at these times of each device's day" },
    tag: { type: "string", argument: "tag", describe: "only devices whose token has this tag" },
    json: { type: "boolean", describe: "print the result as JSON" },
    ...ownerOptions,
  },
  run: ({ values }, context) =>
    operate(values, context, async ({ owned, members, orders, rollout: standing, operator, hand }) => {
      const terms = readTerms(rolloutStart, values);
      const { print, note } = context;
      const nobody = nobodyFor(members, terms);
      if (nobody) note(`${nobodyText(nobody)}; whoever joins later may`);
      const by = await operator();
      const issuedAt = systemClock.now();
      const rollout: Rollout = {
        ...signatureOf(owned.keys.id, by),
        ...{ rollout: newId(randomBytes(16)), number: 1, issuedAt, startedAt: issuedAt },
        ...{ state: "running", promoted: 0, ...terms },
      };
      await hand(await signRollout(rollout, by.key));
      if (values["json"]) print(JSON.stringify({ rollout: rollout.rollout, ...terms }));
      else print(`rollout ${shortId(rollout)} of ${terms.release} has started: ${describeTerms(terms)}`);
      const others = openRollouts(orders.rollouts, standing).map((one) => one.rollout);
      if (others.length > 0) {
        const named = others.map((one) => `${one.release} (${shortId(one)})`).join(", ");
        note(`it waits until those before it are done or aborted: ${named}`);
      }
    }),
};
