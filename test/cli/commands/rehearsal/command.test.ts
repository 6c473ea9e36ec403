// The real command with a real repository, on a computer without QEMU: what it says, and that nothing is left.
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Rehearsal } from "../../../../cli/commands/rollout/rehearsal/verdict.ts";
import { runHamlet } from "../../../boot/lab.ts";
import { lacksImages, makeReleaseImage } from "../../../ota/repository/image.ts";

let home = "";
let ota = "";
const images: string[] = [];
const hamlet = (argv: string[], env: Record<string, string> = {}) =>
  runHamlet(argv, { HAMLET_PASSPHRASE: "correct horse", XDG_STATE_HOME: join(home, "state"), ...env });
const rehearse = (...more: string[]) =>
  hamlet(["rollout", "rehearse", "--release", "0.2.0", "--folder", ota, "--json", "--seed", "7", ...more], {
    PATH: join(home, "bin"),
  });

beforeAll(async () => {
  if (lacksImages()) return;
  home = await mkdtemp(join(tmpdir(), "hamlet-rehearse-"));
  ota = join(home, "ota");
  await hamlet(["ota", "init", ota]);
  const releaseRoot = await readFile(join(ota, "repository/metadata/1.root.json"));
  for (const version of ["0.1.0", "0.2.0"]) {
    const folder = join(home, version);
    await mkdir(folder);
    images.push(await makeReleaseImage(folder, { version, releaseRoot, files: { version } }));
    expect((await hamlet(["ota", "publish", images.at(-1)!, "--folder", ota])).code).toBe(0);
  }
}, 120_000);
afterAll(() => home && rm(home, { recursive: true, force: true }));

test.skipIf(lacksImages()).each([
  ["without an image of the old release", () => [], "rehearsal.noImage"],
  ["without QEMU", () => ["--image", images[0]!], "command.missing"],
])("%s nothing is rehearsed, the reason has a code, and nothing is left", async (_, more, code) => {
  const { code: exitCode, stdout, stderr } = await rehearse("--from", "0.1.0", ...more());
  expect([exitCode, stderr]).toEqual([3, ""]);
  const { verdict, boards, again } = Rehearsal.parse(JSON.parse(stdout));
  expect(verdict).toBe("not rehearsed");
  expect(boards).toMatchObject([{ board: "nuc", from: "0.1.0", scenarios: [], reason: expect.stringContaining(code) }]);
  expect(again).toContain("--seed 7");
  expect(await readdir(join(home, "state/hamlet"))).toEqual([]);
});

test.skipIf(lacksImages())("a release that is not newer than the named one is refused", async () => {
  const { code, stderr } = await rehearse("--from", "0.2.0");
  expect([code, stderr]).toEqual([3, expect.stringContaining("update.notNewer")]);
});
