// Releases for tests on whole devices: built as people build them, and published by the publisher whose root the shared image trusts.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { programsFor } from "../../cli/package/programs.ts";
import { type TestPublisher, testPublisher, testUpdates } from "./image.ts";
import { runHamlet } from "./lab.ts";

export type Releases = {
  publisher: TestPublisher;
  /** Builds an image with this version and the same packages as the shared image. Returns its path. */
  build(version: string, ...options: string[]): Promise<string>;
  /** One whose agent starts and shows its page, but finds none of the programs that set up a mesh. */
  buildWithoutMesh(version: string): Promise<string>;
  publish(image: string): Promise<void>;
  hamlet(...argv: string[]): Promise<string>;
};

/** `folder` is for images and what they are made of; `publisher` by default a new one in it. */
export async function testReleases(folder: string, publisher?: TestPublisher): Promise<Releases> {
  const by = publisher ?? (await testPublisher(join(folder, "ota")));
  const hamlet = async (...argv: string[]) => {
    const { code, stdout, stderr } = await runHamlet(argv, { HAMLET_PASSPHRASE: by.passphrase });
    assert.equal(code, 0, `${argv.join(" ")}: ${stderr}`);
    return stdout;
  };
  const build = async (version: string, ...options: string[]): Promise<string> => {
    const { repository, releaseRoot } = await testUpdates();
    const updates = ["--repository", repository, "--release-root", releaseRoot];
    const to = ["--board", "nuc", "--version", version, "-o", folder, "--json"];
    return JSON.parse(await hamlet("image", "build", ...to, ...updates, ...options)).path;
  };
  return {
    publisher: by,
    build,
    async buildWithoutMesh(version) {
      const { programs } = await programsFor(folder);
      const path = join(folder, "bad-agent.mjs");
      await writeFile(path, `process.env.PATH = "/nowhere";\n${await readFile(programs.get("agent.mjs")!, "utf8")}`);
      return await build(version, "--agent", path);
    },
    publish: async (image) => void (await hamlet("ota", "publish", image, "--folder", by.folder)),
    hamlet,
  };
}
