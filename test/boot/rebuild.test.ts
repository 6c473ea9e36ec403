// The same lock gives the same bytes: an image built anew, with nothing kept but the packages themselves, is the one that
// was built before, whatever the mirror has by now.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { expect, test } from "vitest";
import { labImage } from "../../cli/lab-start.ts";
import { sbomBeside } from "../../image/assemble.ts";
import { cacheFolder } from "../../system/paths.ts";
import { runHamlet } from "./lab.ts";

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

test("an image rebuilt from the same packages and nothing else is the same, bit for bit, and so is its bill", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-rebuild-"));
  try {
    const first = await labImage();
    const cache = join(folder, "cache");
    await mkdir(join(cache, "hamlet"), { recursive: true });
    await mkdir(join(cacheFolder(), "deb"), { recursive: true });
    await symlink(join(cacheFolder(), "deb"), join(cache, "hamlet/deb"));
    const build = ["image", "build", "--board", "nuc", "-o", join(folder, "out"), "--json"];
    const { code, stdout, stderr } = await runHamlet(build, { XDG_CACHE_HOME: cache });
    expect(code, stderr).toBe(0);
    const { path } = JSON.parse(stdout) as { path: string };
    expect(await digestOf(path)).toBe(await digestOf(first));
    expect(await digestOf(sbomBeside(path))).toBe(await digestOf(sbomBeside(first)));
  } finally {
    await rm(folder, { recursive: true });
  }
});
