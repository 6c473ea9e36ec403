import { stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { boardNames } from "../../../image/boards.ts";
import { deviceFiles } from "../../../image/bundle/device-files.ts";

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
