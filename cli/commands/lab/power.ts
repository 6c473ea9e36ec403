// `lab power <device>`: restores a device's power, with the same disk.
import { deviceCommand } from "./lab.ts";

export const labPower = deviceCommand(
  {
    usage: "lab power <device>",
    summary: "restore a device's power, with the same disk",
    example: "hamlet lab power cellar",
  },
  (lab, name) => lab.restore(name),
  (name) => `${name} has power and boots`,
);
