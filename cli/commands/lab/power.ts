// `lab power <device>`: restores a device's power, with the same disk. `lab power --web` plugs the lab's web back in.
import { deviceCommand } from "./lab.ts";

export const labPower = deviceCommand(
  {
    usage: "lab power <device>|--web",
    summary: "restore a device's power, with the same disk",
    example: "hamlet lab power cellar",
  },
  (lab, name) => lab.restore(name),
  (name) => `${name} has power and boots`,
  { isOn: true },
  {
    describe: "plug the cable of the lab's web back in instead",
    act: (lab) => lab.restoreWeb(),
    said: "the web is on the network",
    facts: { isPartitioned: false },
  },
);
