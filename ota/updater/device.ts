// What the updater asks of the system that it runs on.
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { BuiltS, Version } from "../../image/bundle/version.ts";
import { pathsUnder } from "../../provisioning/firstboot/paths.ts";
import type { Run } from "../../system/command.ts";
import { HamletError } from "../../system/error.ts";
import { readJson } from "../../system/files.ts";

export type Device = {
  board: string;
  version: string;
  builtS: number;
  bootId: string;
  /** Of the root filesystem that runs. */
  rootHash: string | undefined;
  diskSignature: string | undefined;
  isDataLost: boolean;
  failedUnits(): Promise<string[]>;
  /** The last lines of this boot's journal. */
  lastWords(): Promise<string[]>;
  /** Whether a time server has set the clock. */
  isClockSet(): Promise<boolean>;
  /**
   * Lets the rest of the device use the disk first, by an I/O class of which the kernel's schedulers for disks and cards know; on an NVMe
   * disk none runs. A device that is started or judged needs its updater in time, so it is for writing and verifying only.
   */
  giveWay(isGivingWay: boolean): Promise<void>;
  /** What the owner has asked of root that an update would interfere with. */
  ownerAsked(): Promise<"install" | "reset" | undefined>;
};

const Release = z.object({ board: z.string().min(1).max(32), version: Version, builtS: BuiltS });

/** `root` is the root folder of the device's files, for tests. Throws `boot.unsupported`. */
export async function readDevice(run: Run, root = "/"): Promise<Device> {
  const at = (path: string) => join(root, path);
  const isThere = (path: string) => isThereAt(at(path));
  const release = await readJson(at("usr/lib/hamlet/release.json"), Release);
  if (!release) {
    throw new HamletError("boot.unsupported", "this computer is not a Hamlet device", { exitCode: 3 });
  }
  const commandLine = await readFile(at("proc/cmdline"), "utf8");
  const argument = (pattern: RegExp) => pattern.exec(commandLine)?.[1];
  return {
    ...release,
    bootId: (await readFile(at("proc/sys/kernel/random/boot_id"), "utf8")).trim(),
    rootHash: argument(/(?:^|\s)hamlet\.verity=([0-9a-f]{64})(?=\s|$)/),
    diskSignature: argument(/(?:^|\s)hamlet\.disk=([0-9a-f]{8})(?=\s|$)/),
    isDataLost: await isThere("run/hamlet-disk/data-failed"),
    async failedUnits() {
      const argv = ["systemctl", "list-units", "--state=failed", "--no-legend", "--plain", "--no-pager"] as const;
      const lines = (await run(argv, { timeoutMs: 10_000 })).split("\n");
      return lines.flatMap((line) => line.trim().split(/\s+/)[0] || []).slice(0, 64);
    },
    async lastWords() {
      // Each of our programs is called "node" there, so units say more. A program that dies at its start prints the line of its source,
      // which is most of a bundle and comes in entries of 48 kB: journalctl has to cut them, to the columns that it is told.
      const how = ["-o", "with-unit", "--no-full", "--no-pager", "-q"];
      const options = { timeoutMs: 10_000, maxStdoutBytes: 1 << 20, env: { COLUMNS: String(maxLineChars) } };
      const text = await run(["journalctl", "-b", "-n", String(maxLines), ...how], options).catch(() => "");
      return text
        .split("\n")
        .filter((line) => line !== "")
        .slice(-maxLines)
        .map((line) => line.slice(0, maxLineChars));
    },
    isClockSet: () => isThere("run/systemd/timesync/synchronized"),
    async giveWay(isGivingWay) {
      // All threads of a process have one group, and a service has one of its own. Others may be in a program's that people started.
      const [, group] = /^.*\) \S \d+ (\d+) /s.exec(await readFile(at("proc/self/stat"), "utf8")) ?? [];
      if (group !== String(process.pid)) return;
      await run(["ionice", "-c", isGivingWay ? "3" : "0", "-P", group]);
    },
    async ownerAsked() {
      const { resetRequest, installRequest, moving } = pathsUnder(root);
      if (await isThereAt(resetRequest)) return "reset";
      return (await isThereAt(installRequest)) || (await isThereAt(moving)) ? "install" : undefined;
    },
  };
}

const isThereAt = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** As provisioning/handover/update.ts has them. */
const maxLines = 200;
const maxLineChars = 400;
