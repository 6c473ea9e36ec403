// `lab up --devices 3`: start a virtual neighborhood from the image and leave it running.

import { statesFolder } from "../../../image/lab/saved/states.ts";
import { type LabStatus, milestones } from "../../../image/lab/supervisor/status.ts";
import { waitForLab } from "../../../image/lab/supervisor/wait.ts";
import { isSavePending, isUp } from "../../../image/lab/supervisor/whole.ts";
import type { Progress } from "../../../system/progress.ts";
import type { Command } from "../../terminal/command.ts";
import { jsonLines } from "../../terminal/output.ts";
import { catchStop } from "../../terminal/stop.ts";
import { deviceTable } from "./lab.ts";
import { machineOptions, startFromValues } from "./start.ts";

export const labUp: Command = {
  usage: "lab up [--devices 3] [--board <board>] [--image <file>]",
  summary: "start a virtual neighborhood and return when its devices see each other alive",
  example: "hamlet lab up --devices 3",
  details: `
Boots virtual devices from the image that users flash, with the firmware of their board, on a LAN of their own:
attic, cellar, kitchen, porch, shed, garage. They keep running until hamlet lab down. Once all are up, it saves their state.
For a day the next lab up with the same image, QEMU and options resumes that state in seconds. It keeps the three states
used last in ~/.cache/hamlet/lab, readable only by you, because they contain keys.`,
  options: {
    ...machineOptions,
    fresh: { type: "boolean", describe: "start from power instead of a saved state, and replace that state" },
    json: { type: "boolean", describe: "print the lab's status as JSON" },
  },
  async run({ values }, { print, note, progress }) {
    const { signal, exitCode } = catchStop();
    let runs = "no lab was started";
    try {
      const states = { folder: statesFolder(), isFresh: values["fresh"] === true };
      const lab = await startFromValues(labUp, values, signal, states);
      runs = "the lab keeps running; hamlet lab down ends it";
      const isReady = (now: LabStatus) => isUp(now) && !isSavePending(now);
      const status = await waitForLab(lab, isReady, showStage(progress), signal);
      progress.end();
      for (const line of [...startNotes(status.start, Date.now()), ...webNotes(status)]) note(line);
      if (values["json"]) print(...jsonLines(status));
      else for (const line of deviceTable(status.devices)) print(line);
      return 0;
    } catch (error) {
      if (!signal.aborted) throw error;
      progress.end();
      note(`stopped: ${runs}`);
      return exitCode();
    }
  },
};

/** Tells whether the lab was resumed from a saved state, and whether the next one can be. */
export function startNotes({ from, savedAt = 0, refused, saving, problem }: LabStatus["start"], now: number): string[] {
  const minutes = Math.round((now - savedAt) / 60_000);
  return [
    ...(from === "state" ? [`resumed from the state saved ${minutes} min ago; --fresh starts from power`] : []),
    ...(refused !== undefined ? [`started from power: ${refused}`] : []),
    ...(saving === "given up" ? [`state not saved, so the next lab up starts from power: ${problem}`] : []),
  ];
}

/** Tells why the devices get no updates. */
export const webNotes = ({ web }: LabStatus): string[] =>
  web?.state === "down" ? [`the lab's web is down, so the devices get no updates: ${web.problem}`] : [];

/** Shows the stage of the slowest device. */
function showStage(progress: Progress): (status: LabStatus) => void {
  let stage = "";
  return ({ devices, start }) => {
    if (start.saving === "saved") return;
    const name = start.saving === "saving" ? "saving the devices for the next lab up" : stageOf(devices);
    if (name !== stage) progress.stage(name);
    stage = name;
  };
}

function stageOf(devices: LabStatus["devices"]): string {
  const next = milestones.find((milestone) => devices.some(({ reached }) => reached[milestone] === undefined));
  return `waiting for ${waitingFor[next ?? "telemetry"]} (${devices.map((device) => device.name).join(", ")})`;
}

const waitingFor: Record<(typeof milestones)[number], string> = {
  power: "power",
  firmware: "the firmware",
  kernel: "the kernel",
  agent: "the agent",
  neighbor: "neighbors",
  member: "members",
  handshake: "handshakes",
  telemetry: "each other's telemetry",
};
