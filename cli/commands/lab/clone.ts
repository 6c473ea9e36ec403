// `lab clone <device>`: a second machine with a copy of a device's disk, as when somebody copies a card.
import { findLab } from "../../../image/lab/supervisor/client.ts";
import { type Command, required } from "../../terminal/command.ts";

export const labClone: Command = {
  usage: "lab clone <device>",
  summary: "plug in a second machine with a copy of a device's disk",
  example: "hamlet lab clone attic",
  details: `
The device stands still while its disk is copied, and runs on. The copy starts on another board: it meets the original, gives
the identity up and waits as a new device, which hamlet adopt lets in. hamlet status tells which of the two waits.`,
  options: { json: { type: "boolean", describe: "print the result as JSON" } },
  async run(input, { print }) {
    const name = required(labClone, input, 0, "the device's name");
    const copy = await (await findLab()).clone(name);
    if (input.values["json"]) {
      print(JSON.stringify({ device: copy, of: name }));
      return 0;
    }
    print(
      `${copy} has a copy of ${name}'s disk and boots; hamlet lab status shows how far it is`,
      "once it waits as a new device, hamlet status names it",
    );
    return 0;
  },
};
