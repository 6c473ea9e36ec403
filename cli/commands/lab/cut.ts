// `lab cut <device>`: cuts a device's power, as if its plug was pulled; `lab power <device>` restores it. `lab cut --web` takes the lab's
// web off the network.
import { randomInt } from "node:crypto";
import { findLab } from "../../../image/lab/supervisor/client.ts";
import type { CutReport } from "../../../image/lab/supervisor/status.ts";
import { type Command, required, text, usageError, type Values } from "../../terminal/command.ts";

export const labCut: Command = {
  usage: "lab cut <device>|--web [--seed <n>] [--keep-all]",
  summary: "cut a device's power, or pull the cable of the lab's web",
  example: "hamlet lab cut cellar --seed 7",
  details: `
The disk then holds what the device had flushed, and of the rest whatever a real disk might have written: some writes, in any
order, some only in part. The same seed makes the same choice from the same writes. A virtual Raspberry Pi's card keeps all.`,
  options: {
    seed: {
      type: "string",
      argument: "n",
      describe: "chooses which unflushed writes the disk keeps (default: by chance)",
    },
    "keep-all": { type: "boolean", describe: "the disk keeps every write, as if the device had only crashed" },
    web: { type: "boolean", aloneBut: [], describe: "pull the cable of the lab's web instead" },
  },
  async run(input, { print }) {
    const { values } = input;
    if (values["web"] === true) {
      await (await findLab()).cutWeb();
      print("the web is off the network; hamlet lab power --web plugs its cable back in");
      return 0;
    }
    const name = required(labCut, input, 0, "the device's name");
    const seed = values["keep-all"] === true ? undefined : readSeed(values);
    const report = await (await findLab()).cut(name, seed);
    print(`${name} has no power; hamlet lab power ${name} restores it`, describeCut(report));
    return 0;
  },
};

function readSeed(values: Values): number {
  const given = text(values, "seed");
  if (given === undefined) return randomInt(1, 1_000_000);
  if (/^\d{1,9}$/.test(given)) return Number(given);
  throw usageError(labCut, "--seed is a whole number");
}

function describeCut(report: CutReport): string {
  if (report.kept === "all") return "its disk keeps every write";
  const { seed, whole, torn, lost } = report;
  return `its disk keeps what was flushed; of ${whole + torn + lost} other writes ${whole} are there, ${torn} in part, ${lost} lost (seed ${seed})`;
}
