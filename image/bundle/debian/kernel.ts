// Unpacks, without installing, the kernel, the wanted modules with their dependencies, and the firmware that they request.
import { createHash } from "node:crypto";
import { copyFile, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Run } from "../../../system/command.ts";
import { HamletError } from "../../../system/error.ts";
import type { Progress } from "../../../system/progress.ts";
import { type Entry, file, folder as folderEntry } from "../archive.ts";
import { cachedFolder } from "../cache.ts";
import type { Base } from "./base.ts";
import { firmwareFor, indexModules, moduleClosure } from "./modules.ts";
import { firmwareByDriver, firmwareByName, rootModules } from "./packages.ts";

/** `tree` holds `lib/modules/<version>` and `lib/firmware`; `pi` holds the files of a Raspberry Pi's boot partition. */
export type Kernel = { version: string; image: string; tree: string; pi: string };

export async function unpackKernel(base: Base, run: Run, progress: Progress): Promise<Kernel> {
  const recipe = createHash("sha256")
    .update(JSON.stringify([2, rootModules, firmwareByName]))
    .digest("hex")
    .slice(0, 12);
  return cachedFolder({ parent: base.folder, name: `kernel-${recipe}` }, readKernel, async (folder) => {
    progress.stage("unpacking the kernel, its modules and firmware");
    await makeKernel(join(base.folder, "debs"), folder, run);
  });
}

async function readKernel(folder: string): Promise<Kernel | undefined> {
  if (!(await readdir(folder).catch((): string[] => [])).includes("vmlinuz")) return undefined;
  const [version = ""] = await readdir(join(folder, "tree/lib/modules"));
  return { version, image: join(folder, "vmlinuz"), tree: join(folder, "tree"), pi: join(folder, "pi") };
}

async function makeKernel(debs: string, folder: string, run: Run): Promise<void> {
  const full = join(folder, "full");
  const tree = join(folder, "tree");
  await mkdir(full);
  for (const name of await readdir(debs)) {
    if (!name.endsWith(".deb")) continue;
    await run(["sh", "-c", 'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2"', "sh", join(debs, name), full], {
      timeoutMs: 120_000,
    });
  }
  const [version] = await readdir(join(full, "lib/modules"));
  if (!version) throw new HamletError("build.failed", "the kernel package has no modules");
  const from = join(full, "lib/modules", version);
  const to = join(tree, "lib/modules", version);
  await run(["/sbin/depmod", "-b", full, version], { timeoutMs: 60_000 });
  const text = (name: string) => readFile(join(from, name), "utf8");
  const paths = moduleClosure(indexModules(await text("modules.dep"), await text("modules.softdep")), rootModules);
  for (const path of [...paths, "modules.builtin", "modules.builtin.modinfo", "modules.order"]) {
    await mkdir(dirname(join(to, path)), { recursive: true });
    await copyFile(join(from, path), join(to, path));
  }
  await run(["/sbin/depmod", "-b", tree, version], { timeoutMs: 60_000 });

  const asked = await run(["/sbin/modinfo", "-F", "firmware", ...paths.map((path) => join(to, path))]);
  const available = await readdir(join(full, "lib/firmware"), { recursive: true });
  const byDriver = firmwareFor(asked.split("\n").filter(firmwareByDriver).filter(Boolean), available);
  const byName = available.filter((name) => firmwareByName.some((beginning) => name.startsWith(beginning)));
  const firmware = [...byDriver, ...byName].sort();
  for (const name of firmware) {
    await mkdir(dirname(join(tree, "lib/firmware", name)), { recursive: true });
    await copyFile(join(full, "lib/firmware", name), join(tree, "lib/firmware", name));
  }
  // The kernel unpacks xz itself (CONFIG_FW_LOADER_COMPRESS_XZ), with these limits: Documentation/driver-api/firmware.
  const packed = firmware.map((name) => join(tree, "lib/firmware", name));
  await run(["xz", "-T1", "--check=crc32", "--lzma2=dict=1MiB", ...packed], { timeoutMs: 300_000 });
  await copyPiFiles(full, version, join(folder, "pi"));
  await copyFile(join(full, "boot", `vmlinuz-${version}`), join(folder, "vmlinuz"));
  await rm(full, { recursive: true });
}

/** Firmware and device trees of every Raspberry Pi in the packages; a board uses those that it names. */
async function copyPiFiles(full: string, version: string, to: string): Promise<void> {
  await mkdir(to);
  for (const source of ["usr/lib/raspi-firmware", `usr/lib/linux-image-${version}/broadcom`]) {
    const names = await readdir(join(full, source)).catch((): string[] => []);
    for (const name of names.filter((one) => /\.(bin|elf|dat|dtb)$/.test(one))) {
      await copyFile(join(full, source, name), join(to, name));
    }
  }
}

/** The files under `path` as archive entries with `prefix` before their names, sorted. */
export async function entriesOf(path: string, prefix: string): Promise<Entry[]> {
  const names = (await readdir(path, { recursive: true, withFileTypes: true }))
    .map((found) => ({ found, name: join(found.parentPath, found.name).slice(path.length + 1) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return Promise.all(
    names.map(async ({ found, name }) =>
      found.isDirectory()
        ? folderEntry(`${prefix}${name}`)
        : file(`${prefix}${name}`, await readFile(join(path, name)), 0o644),
    ),
  );
}
