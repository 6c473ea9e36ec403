// `lab cut <device>`: what pulling the plug does; `lab power <device>` puts it back.
import { deviceCommand } from "./lab.ts";

export const labCut = deviceCommand(
  {
    usage: "lab cut <device>",
    summary: "cut a device's power; its disk keeps what was flushed",
    example: "hamlet lab cut cellar",
  },
  (lab, name) => lab.cut(name),
  (name) => `${name} has no power; hamlet lab power ${name} gives it back`,
);
