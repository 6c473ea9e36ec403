// `reset`: makes a device forget its neighborhood, its keys and its settings, as if it had just been flashed.
import type { Status } from "../../../agent/api/schema.ts";
import type { Command } from "../../terminal/command.ts";
import { confirm, type Terminal } from "../../terminal/confirm.ts";
import { findDeviceForRequests } from "../../terminal/device.ts";
import { ownedDeviceOptions, whereItWorks } from "./owned.ts";

export const reset: Command = {
  usage: "reset [--yes]",
  summary: "make a device forget its neighborhood, keys and settings, as if it had just been flashed",
  example: "hamlet reset --device attic",
  details: `
The device leaves its neighborhood, restarts without an identity, and then reads its card's provision file like a new device.
Its old identity does not come back: provisioned again, it is a new device.
${whereItWorks}`,
  options: {
    ...ownedDeviceOptions,
    yes: { type: "boolean", short: "y", describe: "do not ask" },
    json: { type: "boolean", describe: "print the result as JSON" },
  },
  async run({ values }, { print, note }) {
    const device = await findDeviceForRequests(values);
    try {
      const status = await device.status();
      if (!values["yes"]) await confirmReset(status);
      await device.request("/v1/reset", { id: status.self.id });
      if (values["json"]) print(JSON.stringify({ id: status.self.id, name: status.self.name }));
      else print(`${status.self.name} restarts without a neighborhood`);
      note("to use it again: hamlet provision <card> --neighborhood <folder> --name <name>");
      return 0;
    } finally {
      device.close();
    }
  },
};

/** Throws what `confirm` throws. Exported for its test. */
export async function confirmReset(status: Status, terminal?: Terminal): Promise<void> {
  const { name } = status.self;
  const wanted = { lost: whatIsLost(status), question: "Reset? Type its name", answer: name };
  await confirm(reset, { ...wanted, otherwise: "nothing was reset" }, terminal);
}

/** What is lost, by name. Exported for its test. */
export function whatIsLost({ self, neighborhood, members }: Pick<Status, "self" | "neighborhood" | "members">): string {
  if (!neighborhood) return `${self.name} belongs to no neighborhood; its settings will be lost.`;
  const others = members.filter(({ isSelf, state }) => !isSelf && state === "alive").length;
  const left =
    others === 0
      ? " No other member is alive: what only this device knows of the neighborhood will be lost."
      : ` ${others} other member${others === 1 ? " stays" : "s stay"}.`;
  return `${self.name} will leave ${neighborhood.name} and lose its identity, keys, Wi-Fi and SSH keys.${left}`;
}
