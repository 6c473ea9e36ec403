import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { internalDisk } from "../../../image/install/available.ts";

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hamlet-available-"));
  await mkdir(join(root, "links"));
  await mkdir(join(root, "sys/block"), { recursive: true });
  await mkdir(join(root, "sys/firmware/efi"), { recursive: true });
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function disk(name: string, bus: "usb" | "pci", gigabytes: number, flags = {}): Promise<void> {
  const folder = join(root, bus === "usb" ? "devices/pci0000:00/usb2/2-1/block" : "devices/pci0000:00/block", name);
  await mkdir(folder, { recursive: true });
  const facts = { size: gigabytes * 2e6, removable: 0, ro: 0, ...flags };
  for (const [file, value] of Object.entries(facts)) await writeFile(join(folder, file), `${value}\n`);
  // As in an image: `data`, the last partition, begins after 2.4 GB.
  await mkdir(join(folder, `${name}6`));
  await writeFile(join(folder, `${name}6`, "start"), "4786176\n");
  await symlink(folder, join(root, "sys/block", name));
}
const runsFrom = (name: string) => symlink(`/dev/${name}`, join(root, "links/disk"));
const found = () => internalDisk(join(root, "links"), join(root, "sys"));

test("a device that runs from a stick finds its internal disk", async () => {
  await disk("sda", "usb", 16);
  await disk("nvme0n1", "pci", 256);
  await runsFrom("sda");
  const path = { path: "/dev/nvme0n1", sizeBytes: 256 * 2e6 * 512, partitions: 1 };
  expect(await found()).toEqual({ ...path, model: "" });
  await mkdir(join(root, "sys/block/nvme0n1/device"));
  await writeFile(join(root, "sys/block/nvme0n1/device/model"), "Inner 256   \n");
  expect(await found()).toEqual({ ...path, model: "Inner 256" });
});

test.each<[string, () => Promise<void>]>([
  ["runs from the disk itself", () => runsFrom("nvme0n1")],
  ["does not run from a disk of ours", async () => {}],
])("one that %s sees none", async (_, start) => {
  await disk("sda", "usb", 16);
  await disk("nvme0n1", "pci", 256);
  await start();
  expect(await found()).toBeUndefined();
});

test("another stick, a disk that is too small or write-protected, an empty card reader and a loop device do not count", async () => {
  await runsFrom("sda");
  await disk("sda", "usb", 16);
  await disk("sdb", "usb", 64);
  await disk("sdc", "pci", 2.4);
  await disk("sdd", "pci", 64, { ro: 1 });
  await disk("sde", "pci", 0, { removable: 1 });
  await disk("loop0", "pci", 64);
  expect(await found()).toBeUndefined();
});

test("a Pi is never offered a move: only flash writes its disk", async () => {
  await disk("sda", "usb", 16);
  await disk("nvme0n1", "pci", 256);
  await runsFrom("sda");
  await rm(join(root, "sys/firmware"), { recursive: true });
  expect(await found()).toBeUndefined();
});
