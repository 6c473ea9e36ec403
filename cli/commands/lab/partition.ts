// `lab partition <device>`: pulls a device's network cable; `lab heal` plugs it back in.
import { deviceCommand } from "./lab.ts";

export const labPartition = deviceCommand(
  {
    usage: "lab partition <device>",
    summary: "pull a device's network cable",
    example: "hamlet lab partition attic",
  },
  (lab, name) => lab.partition(name),
  (name) => `${name} is off the network; hamlet lab heal plugs its cable back in`,
  { isPartitioned: true },
);
