// `update install <path>`: updates a device from a folder or file on it, on a stick for example, without network and without a clock.
import { isAbsolute } from "node:path";
import { type Command, required, usageError } from "../../terminal/command.ts";
import { deviceOption } from "../../terminal/device.ts";
import { requestUpdate, watchOption } from "./request.ts";

export const updateInstall: Command = {
  usage: "update install <path> [--watch] [--json]",
  summary: "update a device from a folder or file that `ota export` wrote, without network and without a clock",
  example: "hamlet update install /mnt/update.tar --watch",
  details: `
<path> is absolute and on the device, below /mnt or /media: mount the stick there first. The updater sees neither /tmp nor
/home nor /root. The device checks every signature as it does with a repository, and takes no release that failed before or is not
newer. Without time from a server it judges expiry by the date of its own release. Leave the stick in until the device restarts.
Works as root on the device itself and in the lab.`,
  options: { ...deviceOption, ...watchOption },
  async run(input, context) {
    const path = required(updateInstall, input, 0, "the path");
    if (!isAbsolute(path)) throw usageError(updateInstall, `${path} is not an absolute path on the device`);
    return await requestUpdate({ kind: "install", path }, input.values, context);
  },
};
