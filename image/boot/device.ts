// Boot control of this device: chooses the driver and opens its doors to the system.
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Run } from "../../system/command.ts";
import { errnoOf, HamletError } from "../../system/error.ts";
import { readJson } from "../../system/files.ts";
import { boardNamed } from "../boards.ts";
import { readFatFile } from "../disk/fat.ts";
import { withReader } from "../disk/read-at.ts";
import type { BootControl } from "./boot-control.ts";
import { autobootFileOn } from "./rpi/autoboot-file.ts";
import { rpiTryboot } from "./rpi/tryboot.ts";
import { entryFolderAt } from "./systemd-boot/entry-folder.ts";
import { systemdBoot } from "./systemd-boot/systemd-boot.ts";
import { trialRecordAt } from "./trial-record.ts";

const Release = z.object({ board: z.string(), version: z.string() });
/** systemd's vendor GUID for the variables of a boot loader (Boot Loader Interface). */
const loaderGuid = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
/** The first four bytes of an EFI variable's file are its attributes. */
const attributeBytes = 4;
const maxBootFileBytes = 256 << 20;

/** `root` is the root folder of the device's files, for tests. Throws `boot.unsupported` on a computer that is no device. */
export async function openBootControl(run: Run, root = "/"): Promise<BootControl> {
  const at = (path: string) => join(root, path);
  const release = await readJson(at("usr/lib/hamlet/release.json"), Release);
  if (!release) {
    throw new HamletError("boot.unsupported", "this computer is not a Hamlet device", {
      hint: "run it on a device that was started from a Hamlet image",
      exitCode: 3,
    });
  }
  const board = boardNamed(release.board);
  const common = {
    commandLine: () => readFile(at("proc/cmdline"), "utf8"),
    bootId: async () => (await readFile(at("proc/sys/kernel/random/boot_id"), "utf8")).trim(),
    record: trialRecordAt(at("var/lib/hamlet/root/boot.json")),
    version: release.version,
    restart: async (argument?: string) => {
      await run(["systemctl", "reboot", ...(argument === undefined ? [] : [`--reboot-argument=${argument}`])]);
    },
  };
  if (board.layout === "uefi") {
    return systemdBoot({
      ...common,
      entries: entryFolderAt(at("efi/EFI/Linux")),
      loaderVariable: async (name) =>
        (await readIfThere(at(`sys/firmware/efi/efivars/${name}-${loaderGuid}`)))?.subarray(attributeBytes),
      tries: board.bootTries,
    });
  }
  return rpiTryboot({
    ...common,
    board: board.name,
    deviceTree: (path) => readIfThere(at(`proc/device-tree/${path}`)),
    // The autoboot partition is in the place of the EFI partition, so it has that link.
    autoboot: autobootFileOn(at("run/hamlet-disk/esp")),
    bootFile: (slot, path) =>
      withReader(at(`run/hamlet-disk/boot-${slot}`), (readAt) => readFatFile(readAt, 0, path, maxBootFileBytes)),
    // The firmware's mailbox; kernel.org's kernel has no driver for it.
    isVendorKernel: () =>
      access(at("dev/vcio")).then(
        () => true,
        () => false,
      ),
  });
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
}
