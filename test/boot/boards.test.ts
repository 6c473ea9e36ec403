// Every board that Debian has packages for: an image its firmware can start, and different boards in one neighborhood.

import { open } from "node:fs/promises";
import { expect, test } from "vitest";
import { labImage } from "../../cli/lab-start.ts";
import { boardNamed, boardNames, type RpiBoard } from "../../image/boards.ts";
import { inspectImage } from "../../image/inspect.ts";
import { planBoot } from "../../image/lab/firmware/firmware.ts";
import { isWhole } from "../../image/lab/whole.ts";
import { readerOf } from "../../image/read-at.ts";
import { bootLab } from "./lab.ts";

const ofDebian = boardNames.filter((name) => boardNamed(name).builders.includes("debian"));
/** The first of them makes the packages of its architecture, emulated. */
const buildMs = 25 * 60_000;

test.each(ofDebian)(
  "%s: an image is assembled, and the firmware of the board finds in it what it starts",
  async (name) => {
    const path = await labImage(name);
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
    // Nothing has been written to slot b: its trial finds no system, and the old one starts.
    await expect(planBoot(readAt, boardNamed(name) as RpiBoard, { tryboot: true })).rejects.toMatchObject({
      code: "lab.firmwareRefused",
    });
  },
  buildMs,
);

test("a NUC and an arm64 machine become one mesh", async () => {
  await using lab = await bootLab({ images: [await labImage("nuc"), await labImage("virt-arm64")], devices: 2 });
  const { devices } = await lab.until(isWhole);
  expect(devices.map(({ name, board, state, handshakes }) => ({ name, board, state, handshakes }))).toEqual([
    { name: "attic", board: "nuc", state: "alive", handshakes: 1 },
    { name: "cellar", board: "virt-arm64", state: "alive", handshakes: 1 },
  ]);
  expect((await lab.on("cellar", "uname", "-m")).stdout).toBe("aarch64\n");
  // `data` took the rest of the disk.
  const { stdout } = await lab.on("cellar", "df", "--output=size", "-B1M", "/var/lib/hamlet");
  expect(Number(stdout.split("\n")[1])).toBeGreaterThan(4_000);
});
