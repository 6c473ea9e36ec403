// The copyright files of a base's packages: keeps those of unpacked packages for the image, and records the licences that
// each file names.
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { Run } from "../../../system/command.ts";
import { readJson, writeJson } from "../../../system/files.ts";
import type { Lock } from "../lock/lock.ts";
import { licencesOf } from "./licences.ts";

/** Licences by package; the list is empty if the copyright file is not machine-readable. */
export type Licences = Record<string, string[]>;

/** Writes `doc/<package>/copyright` of unpacked packages and `licences.json` of all into the base's folder. */
export async function keepCopyrights(lock: Lock, folder: string, run: Run): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), "hamlet-copyrights-"));
  try {
    const pattern = ["--wildcards", "./usr/share/doc/*"];
    const options = { timeoutMs: 60_000 };
    await run(["tar", "-xf", join(folder, "root.tar"), "-C", work, "--no-same-owner", ...pattern], options);
    for (const name of Object.keys(lock.unpacked)) {
      const script =
        'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --no-same-owner --wildcards "./usr/share/doc/*/copyright"';
      await run(["sh", "-c", script, "sh", join(folder, "debs", `${name}.deb`), work], { timeoutMs: 120_000 });
      await mkdir(join(folder, "doc", name), { recursive: true });
    }
    const licences: Licences = {};
    for (const name of [...Object.keys(lock.installed), ...Object.keys(lock.unpacked)].sort()) {
      const text = await readFile(join(work, "usr/share/doc", name, "copyright"), "utf8").catch(() => "");
      licences[name] = licencesOf(text);
    }
    for (const name of Object.keys(lock.unpacked)) {
      await rename(join(work, "usr/share/doc", name, "copyright"), join(folder, "doc", name, "copyright"));
    }
    await writeJson(join(folder, "licences.json"), licences, { mode: 0o644 });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

export const readLicences = async (folder: string): Promise<Licences> =>
  (await readJson(join(folder, "licences.json"), z.record(z.string(), z.array(z.string())))) ?? {};
