// `lab cut <device>`: cuts a device's power, as if its plug was pulled; `lab power <device>` restores it. `lab cut --web` takes the lab's
// web off the network.
import { deviceCommand } from "./lab.ts";

export const labCut = deviceCommand(
  {
    usage: "lab cut <device>|--web",
    summary: "cut a device's power; its disk keeps what was flushed",
    example: "hamlet lab cut cellar",
  },
  (lab, name) => lab.cut(name),
  (name) => `${name} has no power; hamlet lab power ${name} restores it`,
  {
    describe: "pull the cable of the lab's web instead",
    act: (lab) => lab.cutWeb(),
    said: "the web is off the network; hamlet lab power --web plugs its cable back in",
  },
);
