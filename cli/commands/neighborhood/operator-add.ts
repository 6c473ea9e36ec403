// `operator add <name> --to <folder>`: lets another person roll out releases, with a key of their own that can be revoked.
import { addOperator } from "../../../provisioning/neighborhood/operators.ts";
import { systemClock } from "../../../system/clock.ts";
import { describeError } from "../../../system/error.ts";
import { shellWord } from "../../../system/shell-word.ts";
import { type Command, required, text, usageError } from "../../terminal/command.ts";
import { deviceOption, findDevice } from "../../terminal/device.ts";
import { ownedNeighborhood, ownerOptions } from "./owner.ts";
import { askPassphrase } from "./passphrase.ts";

const option = "operator-passphrase-file";

export const operatorAdd: Command = {
  usage: "operator add <name> --to <folder>",
  summary: "let another person roll out releases and hold devices back",
  example: "hamlet operator add alice --to alice-elm-street --neighborhood elm-street",
  details: `
Makes a folder for the operator with a key of its own, sealed by a passphrase of its own, and without the root's keys. With it the
operator uses rollout, hold and forget, and asks devices for their status; who is in and who is out stays the owner's.
hamlet revoke <name> ends that, and stops what the operator has signed.`,
  options: {
    ...deviceOption,
    to: { type: "string", argument: "folder", describe: "where to make the operator's folder" },
    [option]: {
      type: "string",
      argument: "file",
      describe: "read the passphrase of the operator's folder from this file (default: ask)",
    },
    json: { type: "boolean", describe: "print the result as JSON" },
    ...ownerOptions,
  },
  async run(input, { print, note }) {
    const { values } = input;
    const name = required(operatorAdd, input, 0, "the operator's name");
    const folder = text(values, "to");
    if (folder === undefined) throw usageError(operatorAdd, "--to is missing");
    const owned = await ownedNeighborhood(values);
    const opened = await owned.open();
    const passphrase = await askPassphrase(values, { isNew: true, of: { option, whose: `${name}'s` } });
    const { key, certificate } = await addOperator(opened, { name, folder, passphrase, now: systemClock.now() });
    // Devices need not know: the certificate travels with whatever the key signs.
    const isTold = await findDevice(values)
      .then(async (device) => device.order([certificate]).finally(() => device.close()))
      .then(
        () => true,
        (error: unknown) => {
          note(`no device has heard of ${name} yet, and needs not: ${describeError(error)}`);
          return false;
        },
      );
    if (values["json"]) print(JSON.stringify({ name, key, folder, isTold }));
    else {
      print(`${name} is an operator of ${owned.file.name}`);
      print(`give ${name} the folder ${shellWord(folder)} and its passphrase, each by another way`);
    }
    return 0;
  },
};
