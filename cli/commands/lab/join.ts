// `lab join -- cmd`: a command of this computer as one more host on the virtual LAN.

import { joinLan } from "../../../image/lab/network/join.ts";
import { findLab } from "../../../image/lab/supervisor/client.ts";
import { type Command, usageError } from "../../terminal/command.ts";
import { programOf } from "./lab.ts";

export const labJoin: Command = {
  usage: "lab join -- <command...>",
  summary: "run a command of this computer as one more host on the virtual LAN",
  example: "hamlet lab join -- avahi-browse -rtp _hamlet._udp",
  details: `
In a network namespace with a card on the lab's hub and an address of its LAN; the computer's own network is out of
reach. Commands named avahi-... find an Avahi of their own there. All of it ends with the command, or with the lab.`,
  async run(input) {
    const argv = programOf(input, 0);
    if (argv.length === 0) throw usageError(labJoin, "the command is missing");
    const lab = await findLab();
    const done = new AbortController();
    const over = lab.follow(() => {}, done.signal);
    const code = await joinLan(await lab.join(), argv, over);
    done.abort();
    return code;
  },
};
