// `lab cut <device>`: cuts a device's power, as if its plug was pulled; `lab power <device>` restores it.
import { deviceCommand } from "./lab.ts";

export const labCut = deviceCommand(
  {
    usage: "lab cut <device>",
    summary: "cut a device's power; its disk keeps what was flushed",
    example: "hamlet lab cut cellar",
  },
  (lab, name) => lab.cut(name),
  (name) => `${name} has no power; hamlet lab power ${name} restores it`,
);
