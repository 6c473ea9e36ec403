import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { completeImage, replaceImage } from "../../../image/assemble/output.ts";
import type { Bundle } from "../../../image/bundle/bundle.ts";
import { parseBmap } from "../../../image/disk/bmap.ts";
import { stoppedBuild } from "../../../image/make.ts";
import { silentProgress } from "../../../system/progress.ts";
import { diskBytes, makeDisk } from "../disk/disk.ts";

let folder = "";
let image = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-output-test-"));
  image = join(folder, "hamlet-nuc-1.img");
  await makeDisk(image);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const stops = () => Promise.reject(new Error("stopped"));

test("a stopped build leaves no map and no bill of materials that could pass for the next image's", async () => {
  await writeFile(`${image}.bmap`, "of the image before");
  await writeFile(join(folder, "hamlet-nuc-1.cdx.json"), "of the image before");
  const bundle = {
    board: "nuc",
    version: "1",
    inputs: "ab".repeat(32),
    builtS: 1,
    folder,
    files: {},
  } as unknown as Bundle;
  await expect(replaceImage(bundle, image, stops, silentProgress)).rejects.toThrow();
  expect(await readdir(folder)).toEqual(["hamlet-nuc-1.img"]);
});

test("the next build makes a missing map and keeps an existing one", async () => {
  await completeImage({ files: {}, folder }, image, silentProgress);
  const map = await readFile(`${image}.bmap`, "utf8");
  expect(parseBmap(map, "the map").imageBytes).toBe(diskBytes);
  await writeFile(`${image}.bmap`, "there");
  await completeImage({ files: {}, folder }, image, silentProgress);
  expect(await readFile(`${image}.bmap`, "utf8")).toBe("there");
});

test("a stopped build says whether the image is complete", () => {
  expect(stoppedBuild("out/x.img", false).message).toBe("stopped: the image was not built");
  expect(stoppedBuild("out/x.img", true).message).toMatch(/^stopped: out\/x\.img is built, .*build again/);
});
