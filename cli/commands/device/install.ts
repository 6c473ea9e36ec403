// `install [<disk>]`: moves a device, with its identity, from the stick that it runs from to its internal disk.
import { readFile } from "node:fs/promises";
import { type Drive, megabytes } from "../../../image/flash/drives.ts";
import { findTarget, flash, listDrives } from "../../../image/flash/flash.ts";
import { internalDisk } from "../../../image/install/available.ts";
import { install as installTo, neededBytes } from "../../../image/install/install.ts";
import { openOwnDisk } from "../../../image/install/own-disk.ts";
import { takeRequestedDisk, tellFailure } from "../../../image/install/requested.ts";
import { printOnConsoles } from "../../../provisioning/firstboot/consoles.ts";
import { pathsUnder } from "../../../provisioning/firstboot/paths.ts";
import { systemClock } from "../../../system/clock.ts";
import { run } from "../../../system/command.ts";
import { HamletError } from "../../../system/error.ts";
import { slotsTurn, takeTurn } from "../../../system/turn.ts";
import type { Command, Context, Input } from "../../terminal/command.ts";
import { untilStopped } from "../../terminal/stop.ts";
import { confirmLoss, describeDrive, drivesTable, shownDrive } from "../card/drives.ts";
import { requireRoot } from "./root.ts";

const links = "/run/hamlet-disk";
const paths = pathsUnder("/");

export const install: Command = {
  usage: "install [<disk>]",
  summary: "on a device: move it from the stick it runs from to its internal disk",
  example: "ssh root@attic hamlet install --yes",
  details: `
Copies the system and moves the identity, so that the stick no longer has it. Refuses and verifies as hamlet flash does.
Without <disk> it takes the only disk that is free and not removable. Afterwards pull the stick out and restart.
The mesh is down during the move, so log in over the LAN. A power cut does no harm: exactly one of the two disks is the device.`,
  options: {
    list: { type: "boolean", aloneBut: ["json"], describe: "list this device's disks, and why one would be refused" },
    yes: { type: "boolean", short: "y", describe: "do not ask" },
    json: { type: "boolean", describe: "print the list or the result as JSON" },
  },
  async run(input, context) {
    const { positionals, values } = input;
    if (values["list"]) {
      const drives = await listDrives(run);
      context.print(...(values["json"] ? [JSON.stringify(drives.map(shownDrive))] : drivesTable(drives)));
      return 0;
    }
    requireRoot("install");
    return await move(positionals[0], values, context);
  },
};

/** Run by hamlet-install.service after the owner asked for it, on the page or with a command on another computer. */
export const installAsRequested: Command = {
  usage: "unit install",
  summary: "move this device to the disk that its owner chose",
  example: "hamlet unit install",
  async run(_input, context) {
    requireRoot("install");
    try {
      const wanted = await takeRequestedDisk(paths, () => internalDisk(links, "/sys"));
      await printOnConsoles(paths, `moving to ${wanted}, as requested: leave the stick in and the power on`);
      return await move(wanted, { yes: true }, context);
    } catch (error) {
      await tellFailure(paths, error, run, systemClock.now());
      throw error;
    }
  },
};

async function move(wanted: string | undefined, values: Input["values"], context: Context): Promise<number> {
  const { print, note, progress } = context;
  const turn = await takeTurn(slotsTurn, { doing: "install" });
  if (!turn) {
    throw new HamletError("update.busy", "an update writes or tries a slot of this device", {
      hint: "run it again when it is over: hamlet update status --watch",
      exitCode: 3,
    });
  }
  const disk = await openOwnDisk(links);
  try {
    const sizeBytes = neededBytes(disk);
    const drive = await findTarget(wanted ?? onlyDisk(await listDrives(run), sizeBytes), sizeBytes, run);
    if (!values["yes"]) await confirmLoss(install, drive);
    return await untilStopped({ note, progress }, async (signal) => {
      const outcome = await installTo(disk, drive.path, {
        paths,
        run,
        progress,
        now: systemClock.now(),
        write: (source, beforeTable) => flash(source, drive, { beforeTable, run, progress, signal }),
      });
      progress.end();
      const name = (await readFile("/proc/sys/kernel/hostname", "utf8")).trim();
      if (values["json"]) print(JSON.stringify({ path: drive.path, outcome }));
      else if (outcome === "moved") print(`${name} is now on ${describeDrive(drive)}`);
      if (outcome === "moved") note("pull the stick out and restart: systemctl reboot");
      else
        note(
          "the disk was written, but does not answer: restart to see which of the two disks this device starts from",
        );
      return outcome === "moved" ? 0 : 1;
    });
  } finally {
    await disk.close();
    await turn.done();
  }
}

function onlyDisk(drives: readonly Drive[], sizeBytes: number): string {
  const free = drives.filter((drive) => !drive.refused && !drive.isRemovable && drive.sizeBytes >= sizeBytes);
  const [only] = free;
  if (only && free.length === 1) return only.path;
  const what = free.length === 0 ? `no free internal disk of ${megabytes(sizeBytes)}` : "more than one free disk";
  throw new HamletError("install.noDisk", `there is ${what}`, {
    hint: "`hamlet install --list` shows the disks; name one",
    exitCode: 2,
  });
}
