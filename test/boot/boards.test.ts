// Every board that can be built from Debian's packages gets an image that its firmware can start.

import { open } from "node:fs/promises";
import { expect, test } from "vitest";
import { boardNamed, boardNames, type RpiBoard } from "../../image/boards.ts";
import { readerOf } from "../../image/disk/read-at.ts";
import { inspectImage } from "../../image/inspect/inspect.ts";
import { planBoot } from "../../image/lab/firmware/firmware.ts";
import { slowness } from "../speed.ts";
import { testImage } from "./image.ts";

const ofDebian = boardNames.filter((name) => boardNamed(name).builders.includes("debian"));
/** Enough for the first board of an architecture, which also prepares the packages, under emulation. */
const buildMs = 25 * 60_000 * slowness();

test.each(ofDebian)(
  "%s: the board's firmware finds everything that it needs to start in the assembled image",
  async (name) => {
    const path = await testImage(name);
    const image = await inspectImage(path);
    expect(image).toMatchObject({ board: name, isProvisioned: false });
    expect(image.entries).toHaveLength(1);
    if (boardNamed(name).layout !== "rpi") return;
    await using file = await open(path, "r");
    const readAt = readerOf(file);
    const plan = await planBoot(readAt, boardNamed(name) as RpiBoard, { tryboot: false });
    expect(plan.slotPartition).toBe(2);
    expect(plan.commandLine).toContain(`hamlet.verity=${image.rootHash}`);
    expect(plan.kernel.toString("latin1", 56, 60)).toBe("ARMd");
    // Slot b is empty: its trial finds no system, and the old one starts.
    await expect(planBoot(readAt, boardNamed(name) as RpiBoard, { tryboot: true })).rejects.toMatchObject({
      code: "lab.firmwareRefused",
    });
  },
  buildMs,
);
