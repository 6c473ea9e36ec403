// Uses a virtual disk as a machine does, by QEMU's own `qemu-io`.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { machineFiles } from "../../../../image/lab/machine/machine.ts";
import { beginSession } from "../../../../image/lab/power/session.ts";
import { run } from "../../../../system/command.ts";

const files = machineFiles("attic");

/** Runs these commands in one session of the new or existing disk; returns the path of its log. */
export async function driveDisk(folder: string, commands: string[]): Promise<string> {
  execFileSync("sh", ["-c", `[ -e ${files.overlay} ] || qemu-img create -q -f qcow2 ${files.overlay} 8M`], {
    cwd: folder,
  });
  await beginSession(run, folder, "attic");
  const image = [
    ...["driver=blklogwrites,log.driver=file,log-sector-size=512", `log.filename=${files.writes}`],
    ...["discard=unmap,file.driver=qcow2,file.file.driver=file", `file.file.filename=${files.session}`],
  ].join(",");
  const words = commands.flatMap((command) => ["-c", command]);
  execFileSync("qemu-io", ["--cache=writeback", "--image-opts", image, ...words], { cwd: folder, stdio: "ignore" });
  return join(folder, files.writes);
}

/** The first byte of each of the first `count` sectors of the disk. */
export function sectorsOf(folder: string, count: number): number[] {
  const raw = join(folder, "raw");
  execFileSync("qemu-img", ["convert", "-f", "qcow2", "-O", "raw", join(folder, files.overlay), raw]);
  const bytes = readFileSync(raw);
  return Array.from({ length: count }, (_, index) => bytes[index * 512]!);
}
