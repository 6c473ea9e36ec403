// `lab add <device>`: plugs one more device into the running lab.
import { deviceNames } from "../../../image/lab/machine/devices.ts";
import { findLab } from "../../../image/lab/supervisor/client.ts";
import { type Command, required, text, usageError } from "../../terminal/command.ts";

export const labAdd: Command = {
  usage: "lab add <device> [--token auto|confirm]",
  summary: "plug one more device into the running lab",
  example: "hamlet lab add porch --token confirm",
  details: `
It starts from power, with the lab's image and a token of the lab's neighborhood. With --token confirm it waits until
hamlet adopt lets it in.`,
  options: {
    token: {
      type: "string",
      argument: "auto|confirm",
      default: "auto",
      describe: "auto: it becomes a member by itself; confirm: it waits until its owner adopts it",
    },
    json: { type: "boolean", describe: "print the result as JSON" },
  },
  choices: () => deviceNames,
  async run(input, { print }) {
    const name = required(labAdd, input, 0, "the device's name");
    const adopt = text(input.values, "token");
    if (adopt !== "auto" && adopt !== "confirm") throw usageError(labAdd, "--token must be auto or confirm");
    await (await findLab()).add(name, adopt);
    if (input.values["json"]) {
      print(JSON.stringify({ device: name, token: adopt }));
      return 0;
    }
    print(
      `${name} has power and boots; hamlet lab status shows how far it is`,
      ...(adopt === "confirm" ? [`once it waits: hamlet adopt ${name}`] : []),
    );
    return 0;
  },
};
