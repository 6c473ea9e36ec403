import { expect, test } from "vitest";
import { chooseDrive, type Drive, readDrives } from "../../../image/flash/drives.ts";
import { device, laptop, pi, pooled, server } from "./computers.ts";

const drivesOf = ({ lsblk, mounts }: { lsblk: string; mounts: string }) => readDrives(lsblk, mounts);
const codes = (drives: Drive[]) => Object.fromEntries(drives.map(({ path, refused }) => [path, refused?.code]));

test("the list finds a laptop's system disk through LVM and LUKS, and distinguishes a mounted card from an empty slot", () => {
  const drives = drivesOf(laptop);
  expect(codes(drives)).toEqual({
    "/dev/nvme0n1": "flash.systemDisk",
    "/dev/sda": "flash.inUse",
    "/dev/sdb": "flash.empty",
    "/dev/sdc": undefined,
  });
  expect(drives.find(({ path }) => path === "/dev/sda")).toMatchObject({
    model: "STORAGE DEVICE",
    bus: "usb",
    isRemovable: true,
    contents: ['sda1 vfat "boot"', 'sda2 ext4 "rootfs"'],
    refused: {
      message: "/dev/sda is mounted at /media/ana/boot, /media/ana/my root",
      hint: "umount /dev/sda1 /dev/sda2",
    },
  });
});

test("each layer between a disk and the system is enough on its own to refuse the disk", () => {
  const parsed = JSON.parse(laptop.lsblk);
  const nvme = parsed.blockdevices.at(-1);
  nvme.children[0].mountpoint = nvme.children[1].mountpoint = null;
  const crypt = nvme.children[2].children[0];
  // Only swap is left in use.
  crypt.children = [crypt.children[1]];
  const swapOnly = readDrives(JSON.stringify(parsed), "");
  expect(codes(swapOnly)["/dev/nvme0n1"]).toBe("flash.systemDisk");
  // Not even swap is left, but an open LUKS still counts as in use.
  crypt.children = [];
  expect(codes(readDrives(JSON.stringify(parsed), ""))["/dev/nvme0n1"]).toBe("flash.inUse");
});

test("a Pi's own card and a write-protected stick are refused, and boot partitions of an eMMC are not listed", () => {
  const drives = drivesOf(pi);
  expect(codes(drives)).toEqual({ "/dev/mmcblk0": "flash.systemDisk", "/dev/sda": "flash.readOnly" });
  expect(drives[0]?.bus).toBe("mmc");
});

test("both disks of a mirror count as the system's; every disk of a btrfs or an LVM counts as in use", () => {
  expect(codes(drivesOf(server))).toEqual({
    "/dev/sda": "flash.systemDisk",
    "/dev/sdb": "flash.systemDisk",
    "/dev/sdc": "flash.inUse",
    "/dev/sdd": "flash.inUse",
    "/dev/sde": undefined,
    "/dev/sdf": "flash.inUse",
  });
});

test.each([
  ["zfs_member", "zfs", "rpool/ROOT/debian"],
  ["bcachefs", "bcachefs", "/dev/sdx2:/dev/sdy"],
])("every disk with a %s is the system's while a %s is mounted, and free when none is", (member, type, source) => {
  const { lsblk, mounts } = pooled(member, type, source);
  expect(codes(readDrives(lsblk, mounts))).toEqual({
    "/dev/sda": "flash.systemDisk",
    "/dev/sdb": "flash.systemDisk",
    "/dev/sdc": undefined,
  });
  const without = mounts.replaceAll(` - ${type} `, " - ext4 ");
  expect(codes(readDrives(lsblk, without))).toEqual({
    "/dev/sda": undefined,
    "/dev/sdb": undefined,
    "/dev/sdc": undefined,
  });
});

test("a Hamlet device knows that it runs from its stick", () => {
  expect(codes(drivesOf(device))).toEqual({ "/dev/nvme0n1": undefined, "/dev/sda": "flash.systemDisk" });
});

test("mounts that lsblk does not show count as well", () => {
  const { lsblk } = server;
  const mounts = "36 35 8:64 / / rw - ext4 /dev/sde rw";
  expect(codes(readDrives(lsblk, mounts))["/dev/sde"]).toBe("flash.systemDisk");
});

test("the output of an older lsblk, with numbers and flags as text, is read too", () => {
  const old = laptop.lsblk.replaceAll(/"(size)":(\d+)/g, '"$1":"$2"').replaceAll('"rm":true', '"rm":"1"');
  expect(readDrives(old, laptop.mounts)).toEqual(drivesOf(laptop));
});

test("unexpected output of lsblk gives a coded error", () => {
  for (const text of ["", "{}", '{"blockdevices":[{"name":"sda"}]}']) {
    expect(() => readDrives(text, "")).toThrow(expect.objectContaining({ code: "flash.unsupported" }));
  }
});

test.each([
  ["/dev/nvme0n1", "flash.systemDisk", 3],
  ["/dev/sda", "flash.inUse", 3],
  ["/dev/sdb", "flash.empty", 3],
  ["/dev/sda1", "flash.notADrive", 2],
  ["/dev/mapper/vg-root", "flash.notADrive", 2],
  ["/dev/null", "flash.notADrive", 2],
])("%s is refused with %s and exit code %i", (path, code, exitCode) => {
  expect(() => chooseDrive(drivesOf(laptop), path, 1e9)).toThrow(expect.objectContaining({ code, exitCode }));
});

test("a drive accepts an image of its own size, but not one byte more", () => {
  const [, , , stick] = drivesOf(laptop);
  expect(chooseDrive(drivesOf(laptop), "/dev/sdc", stick!.sizeBytes).path).toBe("/dev/sdc");
  expect(() => chooseDrive(drivesOf(laptop), "/dev/sdc", stick!.sizeBytes + 1)).toThrow(
    expect.objectContaining({ code: "flash.tooSmall", exitCode: 3 }),
  );
});

test("the error for a partition names the whole drive", () => {
  expect(() => chooseDrive(drivesOf(laptop), "/dev/sda2", 1)).toThrow(
    expect.objectContaining({ hint: "an image goes onto the whole drive: /dev/sda" }),
  );
});
