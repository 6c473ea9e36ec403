// `hold <device> --for 24h --reason <text>`: a device takes no update for a while.
import type { Status } from "../../../agent/api/schema.ts";
import { type Hold, signHold } from "../../../provisioning/trust/hold.ts";
import { Reason, signatureOf } from "../../../provisioning/trust/order.ts";
import { parseDuration } from "../../../provisioning/trust/token.ts";
import { systemClock } from "../../../system/clock.ts";
import { type Command, required, text, usageError, type Values } from "../../terminal/command.ts";
import { deviceOption } from "../../terminal/device.ts";
import { memberNamed, operate } from "./operate.ts";
import { ownerOptions } from "./owner.ts";

export const hold: Command = {
  usage: "hold [<device>] --for <time> --reason <text> | --end",
  summary: "let a device, or all of them, take no update for a while",
  example: 'hamlet hold cellar --for 24h --reason "film night"',
  details: `
A rollout passes a held device over and names it; once the hold is over the device follows. --end ends a hold early. With --all the hold is
for the whole neighborhood, and a hold of one device stands beside it: the longer counts.`,
  options: {
    ...deviceOption,
    for: { type: "string", argument: "24h", describe: "how long: 30m, 12h, 7d" },
    reason: { type: "string", argument: "text", describe: "why, for whoever asks what a rollout waits for" },
    all: { type: "boolean", describe: "every device of the neighborhood" },
    end: { type: "boolean", describe: "end the hold now" },
    json: { type: "boolean", describe: "print the result as JSON" },
    ...ownerOptions,
  },
  run: (input, context) =>
    operate(input.values, context, async ({ owned, members, orders, operator, hand }) => {
      const { values } = input;
      const isAll = values["all"] === true;
      if (isAll && input.positionals.length > 0) throw usageError(hold, "--all is for every device: name none");
      const now = systemClock.now();
      const terms = readTerms(values, now);
      const held = isAll ? undefined : memberNamed(members, required(hold, input, 0, "the device, or --all,"));
      const device = held?.id ?? "all";
      const known = orders.holds.find((one) => one.hold.device === device);
      const by = await operator();
      const order: Hold = {
        ...signatureOf(owned.keys.id, by),
        ...{ number: (known?.hold.number ?? 0) + 1, issuedAt: now, device, ...terms },
      };
      await hand(await signHold(order, by.key));
      const name = held?.name ?? "every device";
      const others = orders.holds.map((one) => one.hold).filter((one) => one.device !== device);
      const standing = besides(others, { device, ...terms }, now).map((one) => ({
        ...{ device: one.device, name: nameOf(one.device, members), until: one.until, reason: one.reason },
      }));
      if (values["json"]) {
        context.print(JSON.stringify({ device, name, until: terms.until, reason: terms.reason, standing }));
        return;
      }
      const also = standing.map((one) => `${one.name} until ${describe(one)}`).join(", and ");
      if (terms.until !== 0) context.print(`${name} takes no update until ${describe(terms)}`);
      else if (also === "") context.print(`${name} is held no longer`);
      else context.print(`the hold of ${name} has ended, but another one stands: ${also}`);
      if (terms.until !== 0 && also !== "") context.note(`a longer hold stands beside it: ${also}`);
    }),
};

/** The other holds that keep a device of this one from updating longer than this one does. */
function besides<T extends Pick<Hold, "device" | "until">>(
  others: readonly T[],
  { device, until }: Pick<Hold, "device" | "until">,
  now: number,
): T[] {
  const concerned = device === "all" ? others : others.filter((one) => one.device === "all");
  return concerned.filter((one) => one.until > Math.max(now, until));
}

const nameOf = (device: string, members: Status["members"]): string =>
  device === "all" ? "every device" : (members.find(({ id }) => id === device)?.name ?? device);

const describe = ({ until, reason }: Pick<Hold, "until" | "reason">): string =>
  `${new Date(until).toISOString()}: ${reason}`;

function readTerms(values: Values, now: number): Pick<Hold, "until" | "reason"> {
  const [given, reason] = [text(values, "for"), text(values, "reason")];
  if (reason !== undefined && !Reason.safeParse(reason).success)
    throw usageError(hold, "--reason is one line of at most 120 characters");
  if (values["end"] === true) {
    if (given !== undefined) throw usageError(hold, "--for and --end contradict each other");
    return { until: 0, reason: reason ?? "ended" };
  }
  const ms = parseDuration(given ?? "");
  if (ms === undefined)
    throw usageError(hold, given === undefined ? "--for is missing" : `--for ${given} is no time such as 24h`);
  if (reason === undefined) throw usageError(hold, "--reason is missing");
  return { until: now + ms, reason };
}
