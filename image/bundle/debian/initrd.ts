// The initrd: busybox, dmsetup with its libraries, the modules that reach the disk, and the scripts in initrd/. It depends on no
// release, so all releases with one kernel share it.
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import constants from "../../../nix/constants.json" with { type: "json" };
import type { Run } from "../../../system/command.ts";
import type { Progress } from "../../../system/progress.ts";
import { cpio, type Entry, file, folder, link } from "../archive.ts";
import { cachedFolder } from "../cache.ts";
import { veritySalt } from "../verity.ts";
import type { Base } from "./base.ts";
import type { Kernel } from "./kernel.ts";
import { indexModules, moduleClosure, moduleName } from "./modules.ts";
import { initrdModules, rescueModules } from "./packages.ts";

export const applets =
  "sh cat chmod chroot cp dd echo grep hexdump insmod ln mkdir mount mv reboot rm sed sleep switch_root sync tail tr umount wc";
const folders = ["bin", "dev", "etc", "modules", "proc", "root", "run", "sys", "usr", "usr/lib", "usr/lib64", "lib64"];

/** Increased when this file makes another initrd from the same inputs. */
const version = 3;

/** The path of the initrd. */
export async function packedInitrd(
  base: Base,
  kernel: Kernel,
  projectFolder: string,
  run: Run,
  progress: Progress,
): Promise<string> {
  const scripts = await Promise.all(scriptsIn(projectFolder).map((path) => readFile(path, "utf8")));
  const recipe = [version, applets, folders, initrdModules, rescueModules, constants, kernel.version, scripts];
  const name = `initrd-${createHash("sha256").update(JSON.stringify(recipe)).digest("hex").slice(0, 12)}`;
  const find = async (packed: string) =>
    (await readdir(packed)).includes("initrd") ? join(packed, "initrd") : undefined;
  return cachedFolder({ parent: base.folder, name }, find, async (packed) => {
    progress.stage("packing the initrd");
    await writeFile(join(packed, "initrd"), await makeInitrd(base, kernel, projectFolder, run));
  });
}

const scriptsIn = (projectFolder: string): [init: string, rescue: string] => [
  join(projectFolder, "image/bundle/initrd/init"),
  join(projectFolder, "image/bundle/initrd/rescue"),
];

async function makeInitrd(base: Base, kernel: Kernel, projectFolder: string, run: Run): Promise<Buffer> {
  const modules = join(kernel.tree, "lib/modules", kernel.version);
  const text = (name: string) => readFile(join(modules, name), "utf8");
  const index = indexModules(await text("modules.dep"), await text("modules.softdep"));
  const paths = moduleClosure(index, initrdModules);
  const inRescue = moduleClosure(index, rescueModules).filter((path) => !paths.includes(path));
  const [init, rescue] = scriptsIn(projectFolder);
  const orderOf = (modules: string[]) => modules.map((path) => `${moduleName(path)}.ko\n`).join("");
  const entries: Entry[] = [
    ...folders.map((name) => folder(name)),
    file("init", await readFile(init), 0o755),
    file("rescue", await readFile(rescue)),
    ...(await programs(base, run)),
    ...applets.split(" ").map((name) => link(`bin/${name}`, "busybox")),
    file("etc/verity-salt", `${veritySalt}\n`),
    file("etc/agent-group", `${constants.agentUserId}\n`),
    file("modules/order", orderOf(paths)),
    file("modules/rescue", orderOf(inRescue)),
  ];
  for (const path of [...paths, ...inRescue])
    entries.push(file(`modules/${moduleName(path)}.ko`, await readFile(join(modules, path))));
  // Not compressed: an update then carries what differs within a module or library instead of the whole archive, which makes a kernel
  // three megabytes and a library one megabyte less. The firmware reads eleven megabytes more, and the kernel unpacks none.
  return cpio(entries);
}

/** busybox and dmsetup from the base, and the libraries that dmsetup links. */
async function programs(base: Base, run: Run): Promise<Entry[]> {
  const work = await mkdtemp(join(tmpdir(), "hamlet-initrd-"));
  try {
    await mkdir(join(work, "root"));
    const loaders = ["./usr/lib64/*", "./usr/lib/ld-linux-*"];
    const patterns = ["./usr/bin/busybox", "./usr/sbin/dmsetup", "./usr/lib/*-linux-gnu/*.so*"];
    const tarball = join(base.folder, "root.tar");
    const unpack = (names: string[]) =>
      run(["tar", "-xf", tarball, "-C", join(work, "root"), "--wildcards", ...names], { timeoutMs: 60_000 });
    await unpack(patterns);
    // The dynamic loader is in one of the two, depending on the architecture.
    for (const pattern of loaders) await unpack([pattern]).catch(() => {});
    const root = join(work, "root/usr");
    const [libraries = ""] = (await readdir(join(root, "lib"))).filter((name) => name.endsWith("-linux-gnu"));
    const wanted = new Map<string, Buffer>();
    const visit = async (path: string) => {
      const dynamic = await run(["readelf", "-d", path]);
      for (const [, name = ""] of dynamic.matchAll(/\(NEEDED\).*\[(.+)\]/g)) {
        if (wanted.has(name)) continue;
        const library = join(root, "lib", libraries, name);
        wanted.set(name, await readFile(library));
        await visit(library);
      }
    };
    await visit(join(root, "sbin/dmsetup"));
    const found = (await readdir(join(root, "lib"))).filter((name) => name.startsWith("ld-linux-"));
    const loaderFolder = found.length > 0 ? "usr/lib" : "lib64";
    const [loader = ""] = found.length > 0 ? found : await readdir(join(root, "lib64"));
    const loaderPath = `usr/lib/${libraries}/${loader}`;
    wanted.set(loader, await readFile(join(root, "lib", libraries, loader)));
    return [
      file("bin/busybox", await readFile(join(root, "bin/busybox")), 0o755),
      file("bin/dmsetup", await readFile(join(root, "sbin/dmsetup")), 0o755),
      folder(`usr/lib/${libraries}`),
      ...[...wanted].sort().map(([name, content]) => file(`usr/lib/${libraries}/${name}`, content, 0o755)),
      link("lib", "usr/lib"),
      link(`${loaderFolder}/${loader}`, `/${loaderPath}`),
    ];
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
