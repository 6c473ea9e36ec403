// How `lab up` and `lab watch` start a lab: options, the image, and waiting until all devices are there.
import { join, resolve } from "node:path";
import { text as readText } from "node:stream/consumers";
import { z } from "zod";
import { labBoard, labBoardNames } from "../../../image/lab/machine/boards.ts";
import type { LabClient } from "../../../image/lab/supervisor/client.ts";
import { SupervisorOptions } from "../../../image/lab/supervisor/options.ts";
import { refuseSecondLab, startLab } from "../../../image/lab/supervisor/start.ts";
import { type LabStatus, milestones } from "../../../image/lab/supervisor/status.ts";
import { sleep } from "../../../system/clock.ts";
import { HamletError } from "../../../system/error.ts";
import { explainIssues, parseJson } from "../../../system/files.ts";
import { programFile } from "../../../system/package.ts";
import { cacheFolder } from "../../../system/paths.ts";
import { startProgram } from "../../../system/program.ts";
import { type Command, type Option, text, usageError, type Values } from "../../terminal/command.ts";

export const machineOptions: Record<string, Option> = {
  devices: { type: "string", argument: "count", describe: "how many, 1 to 6", default: "3" },
  board: {
    type: "string",
    multiple: true,
    argument: "board",
    describe: `${labBoardNames.join(", ")}; repeated, the devices take them in turn (default nuc)`,
  },
  image: { type: "string", argument: "file", describe: "disk image (default: this project's, built if need be)" },
  accel: { type: "string", argument: "kvm|tcg", describe: "how to run them (default: KVM where it truly works)" },
  disk: { type: "string", argument: "kind", describe: "virtio, nvme or usb", default: "virtio" },
  nic: { type: "string", argument: "kind", describe: "virtio or e1000e", default: "virtio" },
  unprovisioned: { type: "boolean", describe: "devices of no neighborhood, as an image is before hamlet provision" },
};

const Built = z.object({ path: z.string() });
/** Emulated on two cores three devices take about two minutes; six on a busy machine take longer. */
const upDeadlineMs = 900_000;
/** The builder's programs remove thousands of half-made files when they are stopped. */
const tidyingMs = 15_000;

/** Gives every machine power. Throws `lab.alreadyRunning` before anything is built. */
export async function startFromValues(
  command: Command,
  values: Values,
  signal?: AbortSignal,
  states?: SupervisorOptions["states"],
): Promise<LabClient> {
  const options = SupervisorOptions.partial().safeParse({
    devices: Number(text(values, "devices") ?? 3),
    accelerator: text(values, "accel"),
    disk: text(values, "disk"),
    nic: text(values, "nic"),
    isProvisioned: values["unprovisioned"] !== true,
  });
  if (!options.success) throw usageError(command, explainIssues(options.error));
  const image = text(values, "image");
  const boards = Array.isArray(values["board"]) ? values["board"] : undefined;
  if (image !== undefined && boards) throw usageError(command, "--board goes without --image, which tells its own");
  for (const board of boards ?? []) labBoard(board);
  await refuseSecondLab();
  const images: string[] = image === undefined ? [] : [resolve(image)];
  for (const board of image === undefined ? (boards ?? ["nuc"]) : []) images.push(await labImage(board, signal));
  signal?.throwIfAborted();
  return startLab({ ...options.data, images, states });
}

/**
 * This project's image for a board, built if something changed, by `image build` in a process group of its own:
 * a change of mind ends all of its programs, and so does our own sudden end.
 */
export async function labImage(board = "nuc", signal?: AbortSignal): Promise<string> {
  const hamlet = programFile("hamlet.mjs", "cli/hamlet.ts");
  const build = [hamlet, "image", "build", "--board", board, "-o", join(cacheFolder(), "image"), "--json"];
  const builder = startProgram([process.execPath, ...build], {
    stdout: "pipe",
    stderr: "inherit",
    ownGroup: true,
    // Killed ourselves, we can tell nobody.
    onOurDeath: "TERM",
  });
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping = builder.stop(tidyingMs);
  };
  signal?.addEventListener("abort", stop, { once: true });
  const [{ code }, output] = await Promise.all([builder.end, readText(builder.stdout)]);
  signal?.removeEventListener("abort", stop);
  await stopping;
  signal?.throwIfAborted();
  const built = Built.safeParse(parseJson(output));
  if (code === 0 && built.success) return built.data.path;
  throw new HamletError("build.failed", "the image could not be built; its error is above");
}

/** Resolves when `test` holds. Throws `lab.bootFailed` when a machine ends by itself or time is up. */
export async function waitForLab(
  lab: LabClient,
  test: (status: LabStatus) => boolean,
  onStatus: (status: LabStatus) => void = () => {},
  signal?: AbortSignal,
): Promise<LabStatus> {
  const deadline = performance.now() + upDeadlineMs;
  for (;;) {
    const status = await lab.status();
    onStatus(status);
    if (test(status)) return status;
    const broken = status.devices.find((device) => device.problem !== undefined);
    if (broken) {
      throw new HamletError("lab.bootFailed", `${broken.name}'s machine ended: ${broken.problem}`, {
        hint: `what it printed is in ${broken.console}`,
      });
    }
    if (performance.now() > deadline) {
      const late = status.devices.filter((device) => device.state !== "alive");
      throw new HamletError(
        "lab.bootFailed",
        `not up in ${upDeadlineMs / 60_000} minutes: ${late.map(howFar).join("; ")}`,
        {
          hint: `what a device printed is in ${(late[0] ?? status.devices[0])?.console}`,
        },
      );
    }
    await sleep(500, signal);
  }
}

const howFar = ({ name, state, reached }: LabStatus["devices"][number]): string =>
  `${name} is ${state}, reached ${milestones.findLast((milestone) => reached[milestone] !== undefined) ?? "nothing"}`;
