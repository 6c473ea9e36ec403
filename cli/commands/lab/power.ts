// `lab power <device>`: give a device its power back, on the same disk.
import { deviceCommand } from "./lab.ts";

export const labPower = deviceCommand(
  {
    usage: "lab power <device>",
    summary: "give a device its power back, on the same disk",
    example: "hamlet lab power cellar",
  },
  (lab, name) => lab.restore(name),
  (name) => `${name} has power and boots`,
);
