// `forget <device>`: nobody waits any more for a device that is gone.
import { type Forget, signForget } from "../../../provisioning/trust/forget.ts";
import { signatureOf } from "../../../provisioning/trust/order.ts";
import { systemClock } from "../../../system/clock.ts";
import { type Command, required } from "../../terminal/command.ts";
import { confirm } from "../../terminal/confirm.ts";
import { deviceOption } from "../../terminal/device.ts";
import { memberNamed, operate } from "./operate.ts";
import { ownerOptions } from "./owner.ts";

export const forget: Command = {
  usage: "forget <device>",
  summary: "wait no more for a device that is gone",
  example: "hamlet forget cellar --yes",
  details: `
A device that is off blocks a rollout, and has a vote on who may restart. Forget one that will not come back soon. It stays a member, and the
forget ends for all as soon as the device is back and has heard of it; to put it out for good use hamlet revoke.`,
  options: {
    ...deviceOption,
    json: { type: "boolean", describe: "print the result as JSON" },
    ...ownerOptions,
  },
  run: (input, context) =>
    operate(input.values, context, async ({ owned, members, orders, operator, hand }) => {
      const gone = memberNamed(members, required(forget, input, 0, "the device"));
      if (input.values["yes"] !== true) {
        const alive = gone.state === "alive" ? " It answers now, so that it will count again at once." : "";
        await confirm(forget, {
          lost: `Nobody will wait for ${gone.name} any more, and it has no vote until it is back.${alive}`,
          question: `Type '${gone.name}' to go on`,
          answer: gone.name,
          otherwise: "nothing was signed",
        });
      }
      const known = orders.forgets.find((one) => one.forget.device === gone.id);
      const by = await operator();
      const order: Forget = {
        ...signatureOf(owned.keys.id, by),
        ...{ number: (known?.forget.number ?? 0) + 1, issuedAt: systemClock.now(), device: gone.id },
      };
      const handed = await hand(await signForget(order, by.key), { isSameByAnyone: true });
      const isBackAtOnce = gone.state === "alive";
      if (input.values["json"]) {
        context.print(JSON.stringify({ device: gone.id, name: gone.name, isBackAtOnce }));
        return;
      }
      const already = handed === "already" ? ": somebody else has said so already" : "";
      context.print(`nobody waits for ${gone.name} any more${already}`);
      if (isBackAtOnce) context.note(`${gone.name} answers: it counts again as soon as it hears of this`);
    }),
};
