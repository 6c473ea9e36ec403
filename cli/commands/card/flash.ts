// `flash <image> <device>`: writes an image to a card or disk and verifies it; an interrupted card stays visibly blank.
import { megabytes } from "../../../image/flash/drives.ts";
import { findBmap, findTarget, flash as flashDrive, listDrives } from "../../../image/flash/flash.ts";
import { openImage } from "../../../image/flash/source.ts";
import { run } from "../../../system/command.ts";
import { type Command, required } from "../../terminal/command.ts";
import { untilStopped } from "../../terminal/stop.ts";
import { confirmLoss, describeDrive, drivesTable, shownDrive } from "./drives.ts";

export const flash: Command = {
  usage: "flash <image> <device>",
  summary: "write an image to a card or disk and verify it",
  example: "hamlet flash out/hamlet-nuc-0.1.0.img /dev/sdb",
  details: `
--list shows the drives. Reads .img, .img.zst, .img.xz, or stdin as -. Skips the blocks that <image>.bmap leaves out.
Refuses this computer's own disks and every drive in use. Writes the partition table last, so an interrupted card
stays blank.`,
  options: {
    list: {
      type: "boolean",
      aloneBut: ["json"],
      describe: "list this computer's drives, and why one would be refused",
    },
    yes: { type: "boolean", short: "y", describe: "do not ask" },
    "dry-run": { type: "boolean", describe: "show what would be written, and write nothing" },
    json: { type: "boolean", describe: "print the list or the result as JSON" },
  },
  async run(input, { print, note, progress }) {
    const { values } = input;
    if (values["list"]) {
      const drives = await listDrives(run);
      print(...(values["json"] ? [JSON.stringify(drives.map(shownDrive))] : drivesTable(drives)));
      return 0;
    }
    const path = required(flash, input, 0, "the image");
    const target = required(flash, input, 1, "the device (see hamlet flash --list)");
    const source = await openImage(path);
    try {
      const { board, version, sizeBytes } = source.image;
      const drive = await findTarget(target, sizeBytes, run);
      const { bmap, ignored } = await findBmap(path, sizeBytes);
      if (ignored) note(`${ignored}: not used`);
      const bytes = bmap ? bmap.ranges.reduce((sum, { length }) => sum + length, 0) : sizeBytes;
      const what = `${board} ${version}, ${megabytes(bytes)}${bmap ? ` of ${megabytes(sizeBytes)}` : ""}`;
      if (values["dry-run"]) {
        const told = { path: drive.path, board, version, sizeBytes, wouldWriteBytes: bytes };
        print(values["json"] ? JSON.stringify(told) : `would write ${path} (${what}) to ${describeDrive(drive)}`);
        return 0;
      }
      if (!values["yes"]) await confirmLoss(flash, drive, { isStdinTaken: path === "-" });
      return await untilStopped({ note, progress }, async (signal) => {
        const startedAt = performance.now();
        const { writtenBytes } = await flashDrive(source, drive, { bmap, run, progress, signal });
        progress.end();
        const seconds = (performance.now() - startedAt) / 1000;
        if (values["json"]) {
          print(JSON.stringify({ path: drive.path, board, version, sizeBytes, writtenBytes, seconds, verified: true }));
        } else print(`${drive.path} holds ${board} ${version}: ${megabytes(writtenBytes)} written and verified`);
        return 0;
      });
    } finally {
      await source.close();
    }
  },
};
