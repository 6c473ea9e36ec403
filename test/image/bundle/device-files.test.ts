import { stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { boardNames } from "../../../image/boards.ts";
import { deviceFiles, type UpdateSource } from "../../../image/bundle/device-files.ts";

const project = join(import.meta.dirname, "../../..");

test("only the image of a Raspberry Pi 3 has the lab's serial shell", async () => {
  const has = await Promise.all(
    boardNames.map(async (board) =>
      (await deviceFiles(new Map(), board, project)).some(({ path }) => path.endsWith("hamlet-lab-serial.service")),
    ),
  );
  expect(boardNames.filter((_, index) => has[index])).toEqual(["rpi3"]);
});

test("only files next to the programs count as units and scripts, never subfolders", async () => {
  const files = await deviceFiles(new Map(), "nuc", project);
  for (const { path } of files) expect((await stat(path)).isFile(), path).toBe(true);
  expect(files.map(({ target }) => target)).toContain("usr/lib/systemd/system/hamlet-trial.service");
});

test("a device gets repositories and release root together, or neither", async () => {
  const targets = async (update?: UpdateSource) =>
    (await deviceFiles(new Map(), "nuc", project, update)).map(({ target }) => target);
  const wanted = ["usr/lib/hamlet/update.json", "usr/lib/hamlet/release-root.json"];
  expect(await targets({ repositories: "/a", releaseRoot: "/b" })).toEqual(expect.arrayContaining(wanted));
  for (const target of wanted) expect(await targets()).not.toContain(target);
});
