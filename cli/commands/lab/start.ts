// How `lab up` and `lab watch` start a lab: options, images, and the repository that its web serves.
import { resolve } from "node:path";
import { labBoard, labBoardNames } from "../../../image/lab/machine/boards.ts";
import { labImage } from "../../../image/lab/machine/image.ts";
import type { LabClient } from "../../../image/lab/supervisor/client.ts";
import { SupervisorOptions } from "../../../image/lab/supervisor/options.ts";
import { refuseSecondLab, startLab } from "../../../image/lab/supervisor/start.ts";
import { explainIssues } from "../../../system/files.ts";
import { byOption, type Command, type Option, text, usageError, type Values } from "../../terminal/command.ts";
import { labPublisher } from "./publisher.ts";

export const machineOptions: Record<string, Option> = {
  devices: { type: "string", argument: "count", describe: "number of devices, 1 to 6", default: "3" },
  board: {
    type: "string",
    multiple: true,
    argument: "board",
    choices: labBoardNames,
    describe: `${labBoardNames.join(", ")}; if repeated, the devices take them in turn (default nuc)`,
  },
  image: { type: "string", argument: "file", describe: "disk image (default: this project's, built if needed)" },
  accel: { type: "string", argument: "kvm|tcg", describe: "how to run the devices (default: kvm if it works)" },
  disk: {
    type: "string",
    argument: "virtio|nvme|usb",
    describe: "bus of the devices' disk",
    default: "virtio",
  },
  nic: { type: "string", argument: "virtio|e1000e", describe: "the devices' network card", default: "virtio" },
  unprovisioned: {
    type: "boolean",
    describe: "start devices without a neighborhood, like an image before hamlet provision",
  },
};

/** Starts every machine. Throws `lab.alreadyRunning` before it builds anything. */
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
  if (!options.success) throw usageError(command, byOption(explainIssues(options.error), { accelerator: "accel" }));
  const image = text(values, "image");
  const boards = Array.isArray(values["board"]) ? values["board"] : undefined;
  if (image !== undefined && boards) throw usageError(command, "--board cannot be used with --image");
  for (const board of boards ?? []) refuseParts(command, board, options.data);
  await refuseSecondLab();
  const images: string[] = image === undefined ? [] : [resolve(image)];
  const { updates, served } = await labPublisher();
  for (const board of image === undefined ? (boards ?? ["nuc"]) : []) {
    images.push(await labImage(board, { updates, signal }));
  }
  signal?.throwIfAborted();
  return startLab({ ...options.data, images, states, web: served });
}

/** Throws `usage.invalid` for a board that QEMU cannot emulate, or whose disk and network card are on the board. */
function refuseParts(command: Command, board: string, wanted: Partial<SupervisorOptions>): void {
  if (labBoard(board).machine.kind !== "pi") return;
  for (const [option, part] of [["disk", wanted.disk] as const, ["nic", wanted.nic] as const])
    if (part !== undefined && part !== "virtio")
      throw usageError(command, `--${option} ${part} is not for a ${board}, which has its own`);
}
