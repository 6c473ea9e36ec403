// Flash writes only the drive that the user agreed to. A file acts as the drive; the list says what it is.
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { headSectors, readGpt, sectorBytes } from "../../../image/disk/gpt.ts";
import { readDrives } from "../../../image/flash/drives.ts";
import { flash } from "../../../image/flash/flash.ts";
import { openImage } from "../../../image/flash/source.ts";
import type { Run } from "../../../system/command.ts";
import { silentProgress } from "../../../system/progress.ts";
import { lsblk } from "./computers.ts";
import { makeImage } from "./image.ts";

const cardBytes = 16 << 20;
let folder = "";
let card = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-flash-"));
  card = join(folder, "card");
  await writeFile(card, Buffer.alloc(cardBytes, 0xa5));
  await makeImage(join(folder, "image.img"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

type Listed = Parameters<typeof lsblk>[0];
const stick = (): Listed => ({
  path: card,
  type: "disk",
  dev: "8:32",
  size: cardBytes,
  model: "Ultra Fit",
  serial: "4C53",
  wwn: "0x5000",
  children: [photos()],
});
const photos = (change: Partial<Listed> = {}): Listed => ({
  ...{ path: `${card}1`, dev: "8:33", fstype: "vfat", label: "PHOTOS", uuid: "12AB-34CD" },
  ...change,
});

/** Agrees to the stick; when it is opened, `now` is in its place. */
async function flashed(now: Listed): Promise<unknown> {
  const [agreed] = readDrives(lsblk(stick()), "");
  const run: Run = async ([file]) => (file === "lsblk" ? lsblk(now) : "");
  const source = await openImage(join(folder, "image.img"));
  try {
    const { signal } = new AbortController();
    return await flash(source, agreed!, { run, signal, progress: silentProgress });
  } finally {
    await source.close();
  }
}

test("the same drive at the same path is written", async () => {
  await flashed(stick());
  const head = Buffer.alloc(headSectors * sectorBytes);
  const handle = await open(card, "r");
  await handle.read(head, 0, head.length, 0);
  await handle.close();
  expect(readGpt(head)?.partitions).toHaveLength(4);
});

test.each<[string, string, () => Partial<Listed>]>([
  ["model", "flash.otherDrive", () => ({ model: "Expansion" })],
  ["size", "flash.otherDrive", () => ({ size: 2 * cardBytes })],
  ["serial number", "flash.otherDrive", () => ({ serial: "4C54" })],
  ["world-wide name", "flash.otherDrive", () => ({ wwn: "0x5001" })],
  ["content", "flash.otherDrive", () => ({ children: [] })],
  ["file system's UUID", "flash.otherDrive", () => ({ children: [photos({ uuid: "99AB-34CD" })] })],
  ["use", "flash.inUse", () => ({ children: [photos({ mountpoint: "/media/ana" })] })],
  ["part in the system", "flash.systemDisk", () => ({ mountpoint: "/" })],
])("a drive of another %s is refused, and untouched", async (_, code, change) => {
  await expect(flashed({ ...stick(), ...change() })).rejects.toMatchObject({
    code,
    exitCode: 3,
    message: expect.stringContaining(`nothing was written to ${card}`),
  });
  expect((await readFile(card)).equals(Buffer.alloc(cardBytes, 0xa5))).toBe(true);
});
