// The files on the FAT partitions of a new image, for the firmware of each kind of board: loader, kernels, settings.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { boardNamed, removableLoader } from "../boards.ts";
import { autobootSector } from "../boot/rpi/autoboot.ts";
import type { Bundle } from "../bundle/bundle.ts";
import type { FatFile } from "./fat-volume.ts";
import { diskSignature } from "./placement.ts";
import { appendSections } from "./uki.ts";

/** Files by the label of their partition. */
export async function firmwareFiles(bundle: Bundle): Promise<Record<string, FatFile[]>> {
  const board = boardNamed(bundle.board);
  const read = (name: string) => readFile(join(bundle.folder, name));
  switch (board.layout) {
    case "uefi":
      return {
        esp: [
          ["loader/loader.conf", "timeout 0\neditor no\n"],
          [removableLoader(board), await read("loader.efi")],
          [loaderEntry(bundle.version), await makeUki(bundle, "a")],
        ],
      };
    case "rpi": {
      const config = await read("config.txt");
      const firmware = await filesUnder(join(bundle.folder, "boot"));
      return {
        // The boot ROM of a Pi 3 looks for bootcode.bin on the first partition only; that one reads autoboot.txt only
        // beside a config.txt. On later boards a config.txt would make the partition itself bootable.
        autoboot: [
          ["autoboot.txt", autobootSector("a")],
          ...firmware
            .filter(([name]) => name === "bootcode.bin")
            .flatMap((bootcode): FatFile[] => [
              bootcode,
              ["config.txt", "# autoboot.txt names the partition to start\n"],
            ]),
        ],
        "boot-a": [
          ["config.txt", config],
          // Firmware older than October 2022 reads this file during a trial.
          ["tryboot.txt", config],
          ["cmdline.txt", `${await commandLine(bundle, "a")} hamlet.disk=${diskSignature(bundle.inputs)}\n`],
          ...firmware.filter(([name]) => name !== "bootcode.bin"),
          ["kernel", await read("kernel")],
          ["initrd", await read("initrd")],
        ],
        "boot-b": [],
      };
    }
  }
}

/** systemd-boot's pattern for a kernel and its version, without a counter: the first flash is always good. */
const loaderEntry = (version: string): string => `EFI/Linux/hamlet_${version}.efi`;

const commandLine = async (bundle: Bundle, slot: "a" | "b"): Promise<string> =>
  `${(await readFile(join(bundle.folder, "cmdline"), "utf8")).trim()} hamlet.slot=${slot}`;

async function makeUki(bundle: Bundle, slot: "a" | "b"): Promise<Buffer> {
  const read = (name: string) => readFile(join(bundle.folder, name));
  return appendSections(await read("stub.efi"), [
    { name: ".osrel", content: await read("os-release") },
    { name: ".cmdline", content: Buffer.from(`${await commandLine(bundle, slot)}\0`) },
    { name: ".linux", content: await read("kernel") },
    { name: ".initrd", content: await read("initrd") },
  ]);
}

async function filesUnder(folder: string): Promise<FatFile[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    paths.sort().map(async (path): Promise<FatFile> => [path.slice(folder.length + 1), await readFile(path)]),
  );
}
