// `boot try <version>`: puts the other slot, already written, on trial and restarts into it.
import { otherSlot } from "../../../image/boot/boot-control.ts";
import { digestFile } from "../../../system/digest.ts";
import { type Command, required, text } from "../../terminal/command.ts";
import { describeBoot, ownBootControl } from "./boot.ts";

export const bootTry: Command = {
  usage: "boot try <version> [--kernel <file>] [--later]",
  summary: "on a device: start the other slot, already written, on trial",
  example: "hamlet boot try 1.2.4 --kernel /var/lib/hamlet/root/hamlet_1.2.4.efi",
  details: `Without \`hamlet boot commit\` during the trial, the device returns to the slot that runs now.
  For people who write a slot by hand.`,
  options: {
    kernel: {
      type: "string",
      argument: "file",
      describe: "the unified kernel image for that slot; a Pi's slot contains its kernel",
    },
    later: {
      type: "boolean",
      describe: "do not restart now: the trial starts with the next `hamlet boot try`, or on a NUC with any restart",
    },
  },
  async run(input, { print }) {
    const version = required(bootTry, input, 0, "the version in that slot");
    const control = await ownBootControl();
    const path = text(input.values, "kernel");
    const { slot } = await control.current();
    const kernel = path === undefined ? {} : { kernel: { path, sha256: (await digestFile(path)).sha256 } };
    await control.stage(otherSlot(slot), { version, ...kernel });
    if (!input.values["later"]) await control.reboot();
    print(...describeBoot(await control.current()));
    return 0;
  },
};
