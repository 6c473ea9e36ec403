// `lab join cmd`: runs a command of this computer as another host on the virtual LAN.

import { joinLan } from "../../../image/lab/network/join.ts";
import { findLab } from "../../../image/lab/supervisor/client.ts";
import { type Command, usageError } from "../../terminal/command.ts";

export const labJoin: Command = {
  usage: "lab join <command...>",
  summary: "run a command of this computer as another host on the virtual LAN",
  example: "hamlet lab join avahi-browse -rtp _hamlet._udp",
  details: `
Runs it in a network namespace with an interface on the lab's hub and an address of its LAN, without access to the
computer's own network. Commands named avahi-... get an Avahi of their own. Everything ends with the command or the lab.`,
  async run(input) {
    const argv = input.rest;
    if (argv.length === 0) throw usageError(labJoin, "the command is missing");
    const lab = await findLab();
    const done = new AbortController();
    const over = lab.follow(() => {}, done.signal);
    const code = await joinLan(await lab.join(), argv, over);
    done.abort();
    return code;
  },
};
