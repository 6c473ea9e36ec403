// `boot try <version>`: puts the other slot, already written, on trial and restarts into it.
import { createReadStream } from "node:fs";
import { type NewKernel, otherSlot } from "../../../image/boot/boot-control.ts";
import { stateIn } from "../../../ota/updater/state.ts";
import { pathsUnder } from "../../../provisioning/firstboot/paths.ts";
import { digestFile, digestOf } from "../../../system/digest.ts";
import { coded } from "../../../system/error.ts";
import { type Command, required, text } from "../../terminal/command.ts";
import { bootLines, jsonOption, ownBootControl } from "./boot.ts";

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
    ...jsonOption,
  },
  async run(input, { print }) {
    const version = required(bootTry, input, 0, "the version in that slot");
    const control = await ownBootControl();
    const path = text(input.values, "kernel");
    const { slot } = await control.current();
    const kernel = path === undefined ? {} : { kernel: await kernelIn(path) };
    // The updater leaves this trial to whoever began it.
    await stateIn(pathsUnder("/").updateFolder).write("handMade.json", { slot: otherSlot(slot) });
    await control.stage(otherSlot(slot), { version, ...kernel });
    if (!input.values["later"]) await control.reboot();
    print(...bootLines(await control.current(), input.values));
    return 0;
  },
};

/** Throws `file.unreadable`. */
export async function kernelIn(path: string): Promise<NewKernel> {
  const { sizeBytes, sha256 } = await digestFile(path).catch((error: unknown) => {
    throw coded(error);
  });
  return {
    sizeBytes,
    read: () => createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>,
    isSame: async (bytes) => (await digestOf(bytes)).sha256 === sha256,
  };
}
