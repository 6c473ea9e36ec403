// The same image on other hardware: from an NVMe disk, and from a USB stick with an Intel network card.
import { expect, test } from "vitest";
import { labImage } from "../../cli/lab-start.ts";
import type { SupervisorOptions } from "../../image/lab/options.ts";
import { bootLab } from "./lab.ts";

/** What stands under the root filesystem, and the network card's driver, of a device that has become a member. */
async function hardwareOf(
  options: Pick<SupervisorOptions, "disk" | "nic">,
): Promise<{ disks: string; drivers: string }> {
  await using lab = await bootLab({ images: [await labImage()], devices: 1, ...options });
  await lab.until(({ devices }) => devices.every((device) => device.state === "alive"));
  const { stdout: disks } = await lab.on("attic", "sh", "-c", "ls -l /dev/disk/by-path");
  const { stdout: drivers } = await lab.on("attic", "sh", "-c", "readlink /sys/class/net/e*/device/driver");
  return { disks, drivers };
}

test("from an NVMe disk, and from a USB stick with an e1000e card: a member each time", async () => {
  const [nvme, usb] = await Promise.all([
    hardwareOf({ disk: "nvme", nic: "virtio" }),
    hardwareOf({ disk: "usb", nic: "e1000e" }),
  ]);
  expect(nvme.disks).toMatch(/nvme-1\S* -> /);
  expect(nvme.drivers).toContain("virtio_net");
  expect(usb.disks).toMatch(/usb-\S* -> /);
  expect(usb.drivers).toContain("e1000e");
});
