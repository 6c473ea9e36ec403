// `lab watch`, which `npm start` runs: a virtual neighborhood in the foreground. Prints events with their times, then the page's
// address. The lab ends with this command, whatever ends it.
import { join } from "node:path";
import type { LabClient } from "../../../image/lab/supervisor/client.ts";
import {
  type LabDeviceStatus,
  type LabEvent,
  type LabStatus,
  milestones,
} from "../../../image/lab/supervisor/status.ts";
import { waitForLab } from "../../../image/lab/supervisor/wait.ts";
import { isWhole } from "../../../image/lab/supervisor/whole.ts";
import { sleep } from "../../../system/clock.ts";
import { isBuilt, packageFolder } from "../../../system/package.ts";
import { printable } from "../../../system/printable.ts";
import { drawableColumns } from "../../../system/terminal.ts";
import type { Command, Context } from "../../terminal/command.ts";
import { findDevice } from "../../terminal/device.ts";
import { catchStop } from "../../terminal/stop.ts";
import { table } from "../../terminal/table.ts";
import { machineOptions, startFromValues } from "./start.ts";
import { webNotes } from "./up.ts";

const secondSignalMs = 300;
/** How people call this command. A checkout installs none; there npx finds it. */
const hamlet = isBuilt ? "hamlet" : "npx --no-install hamlet";

export const labWatch: Command = {
  usage: "lab watch [--devices 3] [--board <board>] [--image <file>]",
  summary: "start a virtual neighborhood, watch it come up, and end it with Ctrl-C",
  example: "hamlet lab watch",
  details: "npm start runs this command. Times are seconds since the devices got power.",
  options: machineOptions,
  async run({ values }, context) {
    const { signal } = catchStop();
    try {
      const lab = await startFromValues(labWatch, values, signal);
      try {
        await lab.own();
        await watch(lab, context, signal);
      } finally {
        await lab.down().catch(() => {});
        context.note("the lab is down");
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    // npm passes on the Ctrl-C that we already had from the terminal; during the shutdown of Node it would look like a failure.
    if (signal.aborted) await sleep(secondSignalMs);
    return 0;
  },
};

async function watch(lab: LabClient, { print }: Context, signal: AbortSignal): Promise<void> {
  const view = process.stdout.isTTY ? liveTable(print) : plainLines(print);
  const followed = lab.follow(view.event, signal);
  const status = await Promise.race([waitForLab(lab, isWhole, view.status, signal), followed.then(() => undefined)]);
  if (!status) return;
  view.finish();
  const handshakes = status.devices.reduce((sum, device) => sum + device.handshakes, 0);
  const [count, names] = [status.devices.length, status.devices.map((device) => device.name).join(", ")];
  const page = await openPage(lab);
  for (const line of [
    "",
    `${count} devices alive: ${names}`,
    `${handshakes} WireGuard handshakes, telemetry of ${status.devices.filter((device) => device.telemetry).length} devices`,
    `the neighborhood's page: ${page.url}`,
    "",
    ...webNotes(status),
    "in another terminal:",
    `  ${hamlet} lab exec attic wg show hamlet0`,
    `  ${hamlet} lab cut cellar`,
    `  ${hamlet} --help`,
    "Ctrl-C ends it",
  ]) {
    print(line);
  }
  // Until another command ends the lab, or this command is stopped.
  await followed;
  await page.close();
}

type View = { event(event: LabEvent): void; status(status: LabStatus): void; finish(): void };

const eventLine = ({ atS, device, what, detail }: LabEvent): string =>
  `${atS.toFixed(1).padStart(7)} s  ${device.padEnd(8)} ${what}${detail ? ` (${detail})` : ""}`;

const plainLines = (print: (line: string) => void): View => ({
  event: (event) => print(eventLine(event)),
  status() {},
  finish() {},
});

/** A table redrawn in place while the devices come up; afterwards events as lines below it. */
function liveTable(print: (line: string) => void): View {
  let drawn = 0;
  let isFinished = false;
  return {
    event(event) {
      if (isFinished) print(eventLine(event));
    },
    status({ devices, elapsedS, accelerator }) {
      const rows = [["", ...milestones, "state"], ...devices.map(milestoneRow)];
      const lines = [`${elapsedS.toFixed(0)} s, ${devices.length} devices (${accelerator})`, ...table(rows)];
      const columns = drawableColumns(process.stdout);
      const up = drawn > 0 ? `\x1b[${drawn}A` : "";
      process.stdout.write(`${up}${lines.map((line) => `\x1b[K${printable(line).slice(0, columns)}\n`).join("")}`);
      drawn = lines.length;
    },
    finish() {
      isFinished = true;
    },
  };
}

const milestoneRow = ({ name, state, reached }: LabDeviceStatus): string[] => [
  name,
  ...milestones.map((milestone) => reached[milestone]?.toFixed(1) ?? "."),
  state,
];

/** Serves the page of `hamlet open`, from a device that is alive at each request. */
async function openPage(lab: LabClient): Promise<{ url: string; close(): Promise<void> }> {
  if (!isBuilt) {
    const { buildPage } = await import("../../package/build.ts");
    await buildPage(join(packageFolder, "dist"));
  }
  const { serveOpenPage } = await import("../../../dashboard/open.ts");
  return serveOpenPage({
    async status() {
      const { devices } = await lab.status();
      const device = await findDevice({ device: (devices.find(({ state }) => state === "alive") ?? devices[0])?.name });
      try {
        return await device.status();
      } finally {
        device.close();
      }
    },
  });
}
