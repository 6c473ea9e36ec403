// The kernel, the modules we want with what they need, and the firmware those ask for: unpacked, never installed.
import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Run } from "../../system/command.ts";
import { HamletError } from "../../system/error.ts";
import type { Progress } from "../../system/progress.ts";
import { type Entry, file, folder as folderEntry } from "./archive.ts";
import type { Base } from "./base.ts";
import { firmwareFor, indexModules, moduleClosure } from "./modules.ts";
import { rootModules } from "./packages.ts";

/** `tree` holds `lib/modules/<version>` and `lib/firmware`. */
export type Kernel = { version: string; image: string; tree: string };

export async function unpackKernel(base: Base, run: Run, progress: Progress): Promise<Kernel> {
  const recipe = createHash("sha256")
    .update(JSON.stringify([1, rootModules]))
    .digest("hex")
    .slice(0, 12);
  const folder = join(base.folder, `kernel-${recipe}`);
  if (!(await readdir(folder).catch((): string[] => [])).includes("vmlinuz")) {
    progress.stage("unpacking the kernel, its modules and firmware");
    const making = await mkdtemp(`${folder}.`);
    try {
      await makeKernel(join(base.folder, "debs"), making, run);
      await rename(making, folder).catch(() => {});
    } finally {
      await rm(making, { recursive: true, force: true });
    }
  }
  const [version = ""] = await readdir(join(folder, "tree/lib/modules"));
  return { version, image: join(folder, "vmlinuz"), tree: join(folder, "tree") };
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
  const firmware = firmwareFor(asked.split("\n").filter(Boolean), available);
  for (const name of firmware) {
    await mkdir(dirname(join(tree, "lib/firmware", name)), { recursive: true });
    await copyFile(join(full, "lib/firmware", name), join(tree, "lib/firmware", name));
  }
  // The kernel unpacks xz itself (CONFIG_FW_LOADER_COMPRESS_XZ), with these limits: Documentation/driver-api/firmware.
  const packed = firmware.map((name) => join(tree, "lib/firmware", name));
  await run(["xz", "-T1", "--check=crc32", "--lzma2=dict=1MiB", ...packed], { timeoutMs: 300_000 });
  await copyFile(join(full, "boot", `vmlinuz-${version}`), join(folder, "vmlinuz"));
  await rm(full, { recursive: true });
}

/** The files under `path` as entries of an archive, named from `prefix`, in an order of their own. */
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
