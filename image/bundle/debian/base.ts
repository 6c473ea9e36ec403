// The base: a Debian root filesystem as a tar, with the kernel and firmware packages beside it. Making it is the slow part of
// a build, so it is cached under the digest of the lock's packages.
import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { z } from "zod";
import type { Argv, Run } from "../../../system/command.ts";
import { HamletError } from "../../../system/error.ts";
import { readJson, writeJson } from "../../../system/files.ts";
import { cacheFolder } from "../../../system/paths.ts";
import type { Progress } from "../../../system/progress.ts";
import { cachedFolder } from "../cache.ts";
import { type Lock, packagesOf } from "../lock/lock.ts";
import { keepCopyrights } from "../sbom/copyrights.ts";
import { debPath } from "./deb-cache.ts";
import { foreignPrograms, hostArchitecture } from "./foreign.ts";
import { makeRepository } from "./local-repository.ts";

/** `folder` has `root.tar`, `debs/`, and their copyright files in `doc/`. `epochS` is the date of the suite and the latest date of any file. */
export type Base = { folder: string; key: string; epochS: number };

const BaseJson = z.strictObject({ epochS: z.int().positive() });
const buildDeadlineMs = 30 * 60_000;

const parent = () => join(cacheFolder(), "base");

/** Digest of everything that decides a base's bytes. */
function keyOf({ architecture, suite, epochS, installed, unpacked, tools }: Lock): string {
  const recipe = [5, architecture, suite, epochS, installed, unpacked, tools["mmdebstrap"], tools["apt"]];
  return createHash("sha256").update(JSON.stringify(recipe)).digest("hex").slice(0, 32);
}

export const hasBase = async (lock: Lock): Promise<boolean> =>
  (await readBase(join(parent(), keyOf(lock))).catch(() => undefined)) !== undefined;

/** Needs every package of `lock` in the cache (pin.ts), unless the base is cached. */
export async function debianBase(lock: Lock, run: Run, progress: Progress): Promise<Base> {
  const key = keyOf(lock);
  // A base is 320 MB; keep two for each of the two architectures.
  return cachedFolder({ parent: parent(), name: key, keep: 4 }, readBase, async (folder) => {
    const isForeign = lock.architecture !== hostArchitecture();
    progress.stage(`installing Debian packages (${isForeign ? "two minutes, emulated" : "half a minute"})`);
    await makeBase(lock, folder, run);
    await writeJson(join(folder, "base.json"), { epochS: lock.epochS });
  });
}

async function readBase(folder: string): Promise<Base | undefined> {
  const facts = await readJson(join(folder, "base.json"), BaseJson);
  return facts && { folder, key: basename(folder), epochS: facts.epochS };
}

async function makeBase(lock: Lock, folder: string, run: Run): Promise<void> {
  const repository = await mkdtemp(join(tmpdir(), "hamlet-repository-"));
  try {
    const source = await makeRepository(lock, repository, run);
    await installPackages(lock, source, join(folder, "root.tar"), run);
  } finally {
    await rm(repository, { recursive: true, force: true });
  }
  await mkdir(join(folder, "debs"));
  for (const [name, { sha256 }] of Object.entries(lock.unpacked)) {
    await copyFile(debPath(sha256), join(folder, "debs", `${name}.deb`));
  }
  await keepCopyrights(lock, folder, run);
  const rows = Object.entries(packagesOf(lock)).map(([name, { version }]) => `${name}\t${version}\n`);
  await writeFile(join(folder, "debs/packages.tsv"), rows.sort().join(""));
}

async function installPackages(lock: Lock, source: string, output: string, run: Run): Promise<void> {
  const excludes = ["doc", "man", "info", "locale"].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`);
  // Licences travel with what they cover.
  excludes.push("--dpkgopt=path-include=/usr/share/doc/*/copyright");
  const foreign = foreignPrograms(lock.architecture);
  await run(
    [
      ...foreign.enter,
      "mmdebstrap",
      "--quiet",
      `--mode=${process.getuid?.() === 0 ? "root" : "unshare"}`,
      ...foreign.options,
      "--variant=apt",
      "--format=tar",
      `--architectures=${lock.architecture}`,
      `--include=${Object.keys(lock.installed).join(",")}`,
      '--aptopt=APT::Install-Recommends "false"',
      '--aptopt=Acquire::Languages "none"',
      ...excludes,
      "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
      lock.suite,
      output,
      source,
    ] as unknown as Argv,
    { timeoutMs: buildDeadlineMs, env: { SOURCE_DATE_EPOCH: String(lock.epochS) } },
  ).catch((cause) => {
    throw new HamletError("build.failed", "the Debian packages could not be installed into a root filesystem", {
      cause,
      hint: [
        ...(process.getuid?.() === 0 ? [] : ["without root this needs user namespaces and the package uidmap"]),
        ...(foreign.options.length === 0
          ? []
          : [
              "packages of another architecture need qemu-user-static, and Linux 6.7 or its registration in binfmt_misc",
            ]),
        "the cause names the step",
      ].join("; "),
    });
  });
}
