// `lab partition <device>`: pull a device's network cable; `lab heal` puts all cables back.
import { deviceCommand } from "./lab.ts";

export const labPartition = deviceCommand(
  {
    usage: "lab partition <device>",
    summary: "pull a device's network cable",
    example: "hamlet lab partition attic",
  },
  (lab, name) => lab.partition(name),
  (name) => `${name} is off the network; hamlet lab heal puts its cable back`,
);
