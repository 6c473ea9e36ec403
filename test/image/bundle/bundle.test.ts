import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type BundleJson, readBundle, requiredFiles } from "../../../image/bundle/bundle.ts";
import { Version } from "../../../image/bundle/version.ts";
import { digestFile } from "../../../system/digest.ts";

const bundleFiles = [...requiredFiles("uefi"), "boot/extra.dtb"];
let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-bundle-"));
  await mkdir(join(folder, "boot"));
  for (const name of bundleFiles) await writeFile(join(folder, name), `content of ${name}`);
  await writeBundleJson({});
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function writeBundleJson(changes: Partial<BundleJson>): Promise<void> {
  const files = await Promise.all(
    bundleFiles.map(async (name) => [name, await digestFile(join(folder, name))] as const),
  );
  const good = {
    format: 2,
    board: "nuc",
    version: "1.2.3",
    inputs: "00".repeat(32),
    builtS: 1_700_000_000,
    verity: { rootHash: "11".repeat(32), dataBlocks: 10 },
    parts: { debian: 5 },
    files: Object.fromEntries(files),
  };
  await writeFile(join(folder, "bundle.json"), JSON.stringify({ ...good, ...changes }));
}

test("a complete bundle is read", async () => {
  expect(await readBundle(folder)).toMatchObject({ board: "nuc", version: "1.2.3", folder });
});

test.each([...bundleFiles])("a missing, changed or truncated %s is detected by name", async (name) => {
  const refused = { code: "bundle.invalid", message: expect.stringContaining(name) };
  await writeFile(join(folder, name), `CONTENT of ${name}`);
  await expect(readBundle(folder)).rejects.toMatchObject(refused);
  await writeFile(join(folder, name), "content");
  await expect(readBundle(folder)).rejects.toMatchObject(refused);
  await rm(join(folder, name));
  await expect(readBundle(folder)).rejects.toMatchObject(refused);
});

test.each([
  ["another format", { format: 1 as 2 }],
  ["a version that no file name takes", { version: "1_0/.." }],
  ["a root hash of another length", { verity: { rootHash: "11", dataBlocks: 10 } }],
  ["no files", { files: {} as BundleJson["files"] }],
  ["a file outside of the folder", { files: { "boot/../../x": { sha256: "11".repeat(32), sizeBytes: 1 } } }],
  ["an unknown key", { extra: 1 } as Partial<BundleJson>],
])("a bundle.json with %s is refused", async (_, changes) => {
  await writeBundleJson(changes);
  await expect(readBundle(folder)).rejects.toMatchObject({ code: "bundle.invalid" });
});

test("a folder without bundle.json, or with a truncated one, is refused", async () => {
  await writeFile(join(folder, "bundle.json"), '{"format":1,');
  await expect(readBundle(folder)).rejects.toMatchObject({ code: "bundle.invalid" });
  await rm(join(folder, "bundle.json"));
  await expect(readBundle(folder)).rejects.toMatchObject({ code: "bundle.invalid" });
});

test("a version may contain only what the boot loader accepts in a file name", () => {
  for (const good of ["1.2.3", "0.1.0-rc.1", "2024.10~beta", "1"]) expect(Version.safeParse(good).success).toBe(true);
  for (const bad of ["", "1_2", "a b", "../x", "-1", "+3"]) expect(Version.safeParse(bad).success).toBe(false);
});
