// `adopt <device>`: lets a waiting device into the neighborhood, by a document that the root signs.
import { adopt as signAdoption } from "../../../provisioning/neighborhood/orders.ts";
import { deviceIdOf } from "../../../provisioning/trust/names.ts";
import { sleep, systemClock } from "../../../system/clock.ts";
import { type Command, type Context, text, usageError } from "../../terminal/command.ts";
import { confirm } from "../../terminal/confirm.ts";
import { type Device, deviceOption, findDevice } from "../../terminal/device.ts";
import { hand } from "./hand.ts";
import { ownedNeighborhood, ownerOptions } from "./owner.ts";
import { choose, membersAt, waitingAt } from "./waiting.ts";
import { askWhoWaits } from "./who-waits.ts";

/** A device that was refused tries again within a minute, and whoever takes the order greets it at once. */
const [joinsWithinMs, pollMs] = [60_000, 1_000];

export const adopt: Command = {
  usage: "adopt [<device>] [--code <code>] [--neighborhood <folder>]",
  summary: "let a device that waits into the neighborhood",
  example: "hamlet adopt porch --neighborhood elm-street --device porch.local",
  details: `
A device waits if its token has expired or is full, or asks for confirmation (hamlet token create --adopt confirm).
Compare the code with the one on the device's own page or console: the same code always means the same device.
--device names the new device, or a member, which says who waits: on the link a question signed with the operator key. Without a terminal --yes is needed, and --code with it.`,
  options: {
    ...deviceOption,
    code: { type: "string", argument: "code", describe: "the adoption code that the device shows: refuses any other" },
    json: { type: "boolean", describe: "print the result as JSON" },
    ...ownerOptions,
    yes: { type: "boolean", short: "y", describe: "ask nothing; needs --code" },
  },
  async run({ positionals: [wanted], values }, context) {
    const { print } = context;
    const code = text(values, "code");
    if (values["yes"] === true && code === undefined) throw usageError(adopt, "--yes needs --code");
    const owned = await ownedNeighborhood(values);
    const device = await findDevice(values, owned);
    try {
      const found = await askWhoWaits(device, context);
      const chosen = choose(waitingAt(found), wanted, code, device.found, membersAt(found));
      if (values["yes"] !== true) {
        await confirm(adopt, {
          lost: `${chosen.name} has the code ${chosen.code}. Adopt it only if its own page or console shows the same code.`,
          question: `Type 'yes' to let it into ${owned.file.name}`,
          answer: "yes",
          otherwise: "nothing was signed; the device still waits",
        });
      }
      const order = await signAdoption(await owned.open(), chosen.deviceKey, systemClock.now());
      const handed = await hand(device, [order], { hint: "see with hamlet status who waits", isSameByAnyone: true });
      const isIn =
        "self" in found ? await joins(device, deviceIdOf(chosen.deviceKey), chosen.name, context) : undefined;
      if (values["json"]) print(JSON.stringify({ name: chosen.name, code: chosen.code, isMember: isIn ?? null }));
      else if (isIn === true) print(`${chosen.name} is a member of ${owned.file.name}`);
      else
        print(
          `${chosen.name} is adopted${handed === "already" ? " already" : ""}: it becomes a member as soon as it meets one that has heard of it`,
        );
      return 0;
    } finally {
      device.close();
    }
  },
};

/** Whether others list the device with this id as a member while we look. */
async function joins(device: Device, id: string, name: string, { progress }: Context): Promise<boolean> {
  progress.stage(`waiting until ${name} is a member`);
  const deadline = performance.now() + joinsWithinMs;
  try {
    while (performance.now() < deadline) {
      // A device under load misses a question now and then; the order is with it.
      const seen = await device.status().catch(() => undefined);
      const others = seen?.members.filter(({ isSelf }) => !isSelf) ?? [];
      if (seen?.self.id === id ? others.length > 0 : others.some((member) => member.id === id)) return true;
      await sleep(pollMs);
    }
    return false;
  } finally {
    progress.end();
  }
}
