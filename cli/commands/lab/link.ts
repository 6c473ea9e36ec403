// `lab link <device> --kbit 256`: puts a device at the end of a bad line; `lab heal` ends it.
import { describeLine, LineTerms } from "../../../image/lab/network/line.ts";
import { findLab } from "../../../image/lab/supervisor/client.ts";
import { explainIssues } from "../../../system/files.ts";
import { byOption, type Command, required, text, usageError, type Values } from "../../terminal/command.ts";

export const labLink: Command = {
  usage: "lab link <device> [--kbit <n>] [--loss <percent>] [--drop-every <time>]",
  summary: "put a device at the end of a bad line: slow, lossy, or dead now and then",
  example: "hamlet lab link attic --kbit 256 --loss 5 --drop-every 5s",
  details: "Both ways, on the lab's LAN. The same seed loses the same frames. hamlet lab heal ends it.",
  options: {
    kbit: { type: "string", argument: "n", describe: "1000 bits a second" },
    loss: { type: "string", argument: "percent", describe: "percent of the frames that are lost" },
    "drop-every": {
      type: "string",
      argument: "5s",
      describe: "the line is dead for the last second of each such time",
    },
    seed: { type: "string", argument: "n", default: "1", describe: "chooses which frames are lost" },
    heal: {
      type: "boolean",
      excludes: ["kbit", "loss", "drop-every", "seed"],
      describe: "end the bad line, as hamlet lab heal does",
    },
    json: { type: "boolean", describe: "print the result as JSON" },
  },
  async run(input, { print }) {
    const { values } = input;
    const name = required(labLink, input, 0, "the device's name");
    if (values["heal"]) {
      await (await findLab()).heal(name);
      print(values["json"] ? JSON.stringify({ device: name, line: null }) : `${name} has a good line`);
      return 0;
    }
    const terms = readTerms(values);
    await (await findLab()).link(name, terms);
    if (values["json"]) print(JSON.stringify({ device: name, line: terms }));
    else print(`${name}'s line: ${describeLine(terms)}; hamlet lab heal ends it`);
    return 0;
  },
};

/** Throws `usage.invalid`. */
function readTerms(values: Values): LineTerms {
  const number = (option: string) => {
    const given = text(values, option);
    return given === undefined ? undefined : Number(given);
  };
  const [, seconds] = /^(\d{1,6})s?$/.exec(text(values, "drop-every") ?? "") ?? [];
  if (values["drop-every"] !== undefined && !seconds)
    throw usageError(labLink, "--drop-every is a number of seconds: 5s");
  const terms = LineTerms.safeParse({
    kbit: number("kbit"),
    lossPercent: number("loss"),
    dropEveryMs: seconds && Number(seconds) * 1000,
    seed: number("seed"),
  });
  if (terms.success) return terms.data;
  const flags = { lossPercent: "loss", dropEveryMs: "drop-every" };
  throw usageError(labLink, byOption(explainIssues(terms.error), flags));
}
