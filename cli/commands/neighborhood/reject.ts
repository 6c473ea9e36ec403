// `reject <device>`: turns a waiting device away for a day, by a document that the root signs.
import { reject as signRejection } from "../../../provisioning/neighborhood/orders.ts";
import { systemClock } from "../../../system/clock.ts";
import { type Command, text } from "../../terminal/command.ts";
import { confirm } from "../../terminal/confirm.ts";
import { deviceOption, findDevice } from "../../terminal/device.ts";
import { hand, refuseItself } from "./hand.ts";
import { ownedNeighborhood, ownerOptions } from "./owner.ts";
import { choose, isItself, membersAt, waitingAt } from "./waiting.ts";
import { askWhoWaits } from "./who-waits.ts";

/** Why a rejection may not count. */
export const rejectedMeanwhile =
  "if hamlet status lists it as a member by now, put it out with hamlet revoke; else it is turned away already, or that device's clock is a day ahead";

export const reject: Command = {
  usage: "reject [<device>] [--code <code>] [--neighborhood <folder>]",
  summary: "turn a device that waits away for 24 hours",
  example: "hamlet reject porch --neighborhood elm-street",
  details: `
No member lists it, greets it or takes it in until then, unless you adopt it after all. It is told that it was turned away. --device names
a member, never the device that is turned away: it need not pass that on. A member is put out by hamlet revoke.`,
  options: {
    ...deviceOption,
    code: { type: "string", argument: "code", describe: "the adoption code of the device: refuses any other" },
    json: { type: "boolean", describe: "print the result as JSON" },
    ...ownerOptions,
  },
  async run({ positionals: [wanted], values }, context) {
    const owned = await ownedNeighborhood(values);
    const device = await findDevice(values, owned);
    try {
      const found = await askWhoWaits(device, context);
      const chosen = choose(waitingAt(found), wanted, text(values, "code"), device.found, membersAt(found));
      if (isItself(found, chosen)) refuseItself(device.found);
      if (values["yes"] !== true) {
        await confirm(reject, {
          lost: `${chosen.name} with the code ${chosen.code} will be refused everywhere for 24 hours.`,
          question: "Type 'yes' to turn it away",
          answer: "yes",
          otherwise: "nothing was signed; the device still waits",
        });
      }
      const document = await signRejection(await owned.open(), chosen.deviceKey, systemClock.now());
      await hand(device, [document], { hint: rejectedMeanwhile });
      if (values["json"]) context.print(JSON.stringify({ name: chosen.name, code: chosen.code }));
      else context.print(`${chosen.name} is turned away for 24 hours`);
      return 0;
    } finally {
      device.close();
    }
  },
};
