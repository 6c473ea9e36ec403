// The same input gives the same bytes: an image built anew, from an empty cache, is the one that was built before.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { expect, test } from "vitest";
import { labImage } from "../../cli/lab-start.ts";
import { runHamlet } from "./lab.ts";

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

test("an image rebuilt with an empty cache is the same, bit for bit", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-rebuild-"));
  try {
    const first = await labImage();
    const out = join(folder, "out");
    const build = ["image", "build", "--board", "nuc", "-o", out];
    const { code, stderr } = await runHamlet(build, { XDG_CACHE_HOME: join(folder, "cache") });
    expect(code, stderr).toBe(0);
    const [again] = (await readdir(out)).filter((name) => name.endsWith(".img"));
    expect(await digestOf(join(out, again!))).toBe(await digestOf(first));
  } finally {
    await rm(folder, { recursive: true });
  }
});
