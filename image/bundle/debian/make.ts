// Makes a system bundle from a base, a kernel, Node and our programs. The digest of this file and all its imports is part of
// the bundle's name in the cache.
import { copyFile, mkdir, rename, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Run } from "../../../system/command.ts";
import { digestFile } from "../../../system/digest.ts";
import { HamletError } from "../../../system/error.ts";
import { writeJson } from "../../../system/files.ts";
import type { Progress } from "../../../system/progress.ts";
import { kernelArgumentsOf, piKernelOf, type RpiBoard, type UefiBoard } from "../../boards.ts";
import { configTxt } from "../../boot/rpi/config.ts";
import { BundleJson, requiredFiles } from "../bundle.ts";
import { readLicences } from "../sbom/copyrights.ts";
import { makeSbom, type Sbom } from "../sbom/sbom.ts";
import { makeVerity } from "../verity.ts";
import type { Base } from "./base.ts";
import { packedInitrd } from "./initrd.ts";
import { type Kernel, unpackKernel } from "./kernel.ts";
import { suite } from "./mirror.ts";
import { nodeRuntime } from "./node.ts";
import type { Pinned } from "./pin.ts";
import { type BuildRequest, makeRoot, osRelease, rootParts, sizeOf } from "./root.ts";

/** Writes the bundle to `folder`. Equal arguments give equal bytes. */
export async function makeBundle(
  request: BuildRequest,
  { lock, relocked }: Pinned,
  base: Base,
  inputs: string,
  folder: string,
  run: Run,
  progress: Progress,
): Promise<void> {
  const { board, version, projectFolder } = request;
  const at = (name: string) => join(folder, name);
  const kernel = await unpackKernel(base, run, progress);
  progress.stage("making the root filesystem");
  const node = await nodeRuntime(board, projectFolder, run);
  if ((await digestFile(node)).sha256 !== lock.node.sha256) {
    throw new HamletError("build.failed", `${node} is not the locked Node runtime`, {
      hint: "remove it and build again; to keep it, update the lock with `hamlet image lock`",
    });
  }
  const sbom = `${JSON.stringify(await sbomOf(request, { lock, relocked }, base, inputs), null, 1)}\n`;
  await writeFile(at("sbom.cdx.json"), sbom);
  const parts = await rootParts(request, base, kernel, node, sbom);
  await makeRoot(base, parts, at("root.erofs"), run);
  progress.stage("making the hash tree");
  const verity = await makeVerity(at("root.erofs"), at("verity.img"), run);
  await copyFile(await packedInitrd(base, kernel, projectFolder, run, progress), at("initrd"));
  await copyFile(kernel.image, at("kernel"));
  const places = [`hamlet.verity=${verity.rootHash}`, `hamlet.blocks=${verity.dataBlocks}`];
  const words = [...kernelArgumentsOf(board, "debian"), ...places];
  await writeFile(at("cmdline"), words.join(" "));
  await writeFile(at("os-release"), osRelease(board, version));
  const ofFirmware =
    board.layout === "uefi" ? await copyLoader(base, board, folder, run) : await copyPiFirmware(kernel, board, folder);
  const names = [...requiredFiles(board.layout), "sbom.cdx.json", ...ofFirmware];
  const files = Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await digestFile(at(name))] as const)),
  );
  const sizes = Object.fromEntries(parts.map((part) => [part.name, sizeOf(part)]));
  const ours = Object.values(sizes).reduce((sum, size) => sum + size, 0);
  const bundle = BundleJson.parse({
    format: 2,
    board: board.name,
    version,
    inputs,
    builtS: base.epochS,
    verity,
    parts: { debian: Math.max(0, (files["root.erofs"]?.sizeBytes ?? 0) - ours), ...sizes },
    files,
    ...(relocked.length > 0 && { relocked }),
  });
  // Written last: a folder with this file is complete.
  await writeJson(at("bundle.json"), bundle, { mode: 0o644 });
}

/** systemd-boot, and the stub that turns a kernel into an EFI program. */
async function copyLoader(base: Base, { efi }: UefiBoard, folder: string, run: Run): Promise<string[]> {
  const files = { "stub.efi": `linux${efi}.efi.stub`, "loader.efi": `systemd-boot${efi}.efi` };
  const paths = Object.values(files).map((name) => `./usr/lib/systemd/boot/efi/${name}`);
  await run(["tar", "-xf", join(base.folder, "root.tar"), "-C", folder, "--strip-components=6", ...paths], {
    timeoutMs: 60_000,
  });
  for (const [name, source] of Object.entries(files)) await rename(join(folder, source), join(folder, name));
  return [];
}

/** Copies the board's firmware and device trees, and writes the settings that name them. Throws `build.failed`. */
async function copyPiFirmware(kernel: Kernel, board: RpiBoard, folder: string): Promise<string[]> {
  const { deviceTrees } = piKernelOf(board, "debian");
  await writeFile(join(folder, "config.txt"), configTxt(deviceTrees));
  await mkdir(join(folder, "boot"));
  const wanted = [...board.firmware, ...deviceTrees];
  for (const name of wanted) {
    await copyFile(join(kernel.pi, name), join(folder, "boot", name)).catch((cause) => {
      throw new HamletError("build.failed", `Debian ${suite} has no ${name} for ${board.describe}`, {
        cause,
        hint: `use NixOS: hamlet image build --base nixos --board ${board.name} -o <folder>`,
      });
    });
  }
  return wanted.map((name) => `boot/${name}`);
}

async function sbomOf(
  { board, version, extras, npm }: BuildRequest,
  { lock, relocked }: Pinned,
  base: Base,
  inputs: string,
): Promise<Sbom> {
  const own = extras.filter(({ target }) => target.endsWith(".mjs"));
  const programs = await Promise.all(
    own.map(async ({ path, target }) => ({ name: basename(target), sha256: (await digestFile(path)).sha256 })),
  );
  const licences = await readLicences(base.folder);
  return makeSbom({ board: board.name, version, inputs, lock, relocked, licences, npm, programs });
}
