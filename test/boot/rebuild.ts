// Rebuilds an image with no cache but the packages, and compares it with the one built before.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { sbomBeside } from "../../image/assemble/assemble.ts";
import { cacheFolder } from "../../system/paths.ts";
import { testImage, testUpdates } from "./image.ts";
import { runHamlet } from "./lab.ts";

export type Digests = { image: string; sbom: string };

export async function rebuild(board: string): Promise<{ first: Digests; again: Digests }> {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-rebuild-"));
  try {
    const first = await digestsOf(await testImage(board));
    const cache = join(folder, "cache");
    await mkdir(join(cache, "hamlet"), { recursive: true });
    await mkdir(join(cacheFolder(), "deb"), { recursive: true });
    await symlink(join(cacheFolder(), "deb"), join(cache, "hamlet/deb"));
    const updates = await testUpdates();
    const build = [
      ...["image", "build", "--board", board, "-o", join(folder, "out"), "--json"],
      ...["--repository", updates.repository, "--release-root", updates.releaseRoot],
    ];
    const { code, stdout, stderr } = await runHamlet(build, { XDG_CACHE_HOME: cache });
    if (code !== 0) throw new Error(`the second build of ${board} ended with ${code}: ${stderr}`);
    const { path } = JSON.parse(stdout) as { path: string };
    return { first, again: await digestsOf(path) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

const digestsOf = async (image: string): Promise<Digests> => ({
  image: await digestOf(image),
  sbom: await digestOf(sbomBeside(image)),
});

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
