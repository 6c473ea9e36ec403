import { expect, test } from "vitest";
import { deviceFiles } from "../../cli/build.ts";
import { boardNames } from "../../image/boards.ts";

test("the serial shell of a virtual Raspberry Pi 3 is in the image of that board alone, and needs the lab's word", async () => {
  const has = await Promise.all(
    boardNames.map(async (board) =>
      (await deviceFiles(new Map(), board)).some(({ path }) => path.endsWith("hamlet-lab-serial.service")),
    ),
  );
  expect(boardNames.filter((_, index) => has[index])).toEqual(["rpi3"]);
});
