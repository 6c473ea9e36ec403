// A local Debian archive with the locked packages and no others, for mmdebstrap.
import { createHash } from "node:crypto";
import { chmod, copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "../../../system/command.ts";
import type { Lock } from "../lock/lock.ts";
import { debPath } from "./deb-cache.ts";

/** Writes it to `folder` and returns its line for sources.list. It is marked as trusted: the caller has checked every sha256. */
export async function makeRepository(lock: Lock, folder: string, run: Run): Promise<string> {
  const stanzas: string[] = [];
  await mkdir(join(folder, "pool"), { recursive: true });
  for (const [name, { sha256, sizeBytes }] of Object.entries(lock.installed)) {
    const path = join(folder, "pool", `${name}.deb`);
    await copyFile(debPath(sha256), path);
    await chmod(path, 0o644);
    const control = (await run(["dpkg-deb", "--field", path])).trimEnd();
    stanzas.push(`${control}\nFilename: pool/${name}.deb\nSize: ${sizeBytes}\nSHA256: ${sha256}\n`);
  }
  const index = `main/binary-${lock.architecture}/Packages`;
  const text = stanzas.join("\n");
  const dist = join(folder, "dists", lock.suite);
  await mkdir(join(dist, `main/binary-${lock.architecture}`), { recursive: true });
  await writeFile(join(dist, index), text);
  await writeFile(join(dist, "Release"), releaseOf(lock, index, text));
  // In a user namespace root is another user than the owner of this folder.
  await chmod(folder, 0o755);
  // sources.list(5) has no quoting.
  const address = folder.split("/").map(encodeURIComponent).join("/");
  return `deb [trusted=yes] copy:${address} ${lock.suite} main`;
}

const releaseOf = ({ suite, architecture }: Lock, index: string, text: string): string =>
  [
    "Origin: Hamlet",
    `Suite: ${suite}`,
    `Codename: ${suite}`,
    `Architectures: ${architecture}`,
    "Components: main",
    "SHA256:",
    ` ${createHash("sha256").update(text).digest("hex")} ${Buffer.byteLength(text)} ${index}`,
    "",
  ].join("\n");
