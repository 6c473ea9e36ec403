// `lab cut <device>`: cuts a device's power, as if its plug was pulled; `lab power <device>` restores it. `lab cut --web` takes the lab's
// web off the network.
import { randomInt } from "node:crypto";
import { unknownDevice } from "../../../image/lab/machine/devices.ts";
import { chooseMoment, isReached, isUnderWay } from "../../../image/lab/power/moment.ts";
import { findLab, type LabClient } from "../../../image/lab/supervisor/client.ts";
import type { CutReport } from "../../../image/lab/supervisor/status.ts";
import { sleep } from "../../../system/clock.ts";
import { HamletError } from "../../../system/error.ts";
import { type Command, required, text, usageError, type Values } from "../../terminal/command.ts";

const [updateWithinMs, pollMs] = [60 * 60_000, 500];

export const labCut: Command = {
  usage: "lab cut <device>|--web [--during update] [--seed <n>] [--keep-all]",
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
    during: {
      type: "string",
      argument: "update",
      choices: ["update"],
      describe: "wait for an update, and cut at a moment of it that the seed chooses",
    },
    "keep-all": { type: "boolean", describe: "the disk keeps every write, as if the device had only crashed" },
    web: { type: "boolean", aloneBut: ["json"], describe: "pull the cable of the lab's web instead" },
    json: { type: "boolean", describe: "print the result as JSON" },
  },
  async run(input, { print, note }) {
    const { values } = input;
    if (values["web"] === true) {
      await (await findLab()).cutWeb();
      if (values["json"]) print(JSON.stringify({ web: { isPartitioned: true } }));
      else print("the web is off the network; hamlet lab power --web plugs its cable back in");
      return 0;
    }
    const name = required(labCut, input, 0, "the device's name");
    const during = text(values, "during");
    if (during !== undefined && during !== "update")
      throw usageError(labCut, `--during must be update, not '${during}'`);
    const seed = readSeed(values);
    if (values["keep-all"] === true && values["seed"] !== undefined && !during)
      throw usageError(labCut, "--seed chooses nothing with --keep-all, unless --during is given");
    const lab = await findLab();
    if (during) note(await momentOfUpdate(lab, name, seed));
    const report = await lab.cut(name, values["keep-all"] === true ? undefined : seed);
    if (values["json"]) print(JSON.stringify({ device: name, isOn: false, ...report }));
    else print(`${name} has no power; hamlet lab power ${name} restores it`, describeCut(report));
    return 0;
  },
};

/** Resolves at the moment, with a sentence about it. */
async function momentOfUpdate(lab: LabClient, name: string, seed: number): Promise<string> {
  const moment = chooseMoment({ seed });
  const deadline = performance.now() + updateWithinMs;
  for (let wasUnderWay = false; performance.now() < deadline; await sleep(pollMs)) {
    const { devices } = await lab.status();
    const device = devices.find((one) => one.name === name);
    if (!device)
      throw unknownDevice(
        name,
        devices.map((one) => one.name),
      );
    const { update } = device;
    if (isReached(moment, update)) return `cut while the updater was ${update?.phase} (seed ${seed})`;
    if (wasUnderWay && !isUnderWay(update))
      return `cut after the update had ended, before its ${moment.phase} (seed ${seed})`;
    wasUnderWay ||= isUnderWay(update);
  }
  throw new HamletError("command.timeout", `${name} began no update in an hour`, {
    hint: `hamlet update now --device ${name}`,
  });
}

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
