import { expect, test } from "vitest";
import { deviceNames, labDevices } from "../../../../image/lab/machine/devices.ts";
import { type MachineSpec, machineArgv } from "../../../../image/lab/machine/machine.ts";

const spec = (more: Partial<MachineSpec> = {}): MachineSpec => ({
  device: labDevices(1)[0]!,
  folder: "/lab",
  accelerator: "tcg",
  disk: "virtio",
  nic: "virtio",
  memoryMb: 512,
  pagePort: 8001,
  hasLabPort: true,
  ...more,
});
const words = (more?: Partial<MachineSpec>) => machineArgv(spec(more)).join(" ");

test("no two devices share a serial number, product UUID, network card or page network", () => {
  const devices = labDevices(deviceNames.length);
  for (const key of ["name", "serial", "uuid", "lanMac", "pageMac", "pageNet"] as const) {
    expect(new Set(devices.map((device) => device[key])).size).toBe(deviceNames.length);
  }
});

test("the network for the page reaches this computer's loopback and nothing else", () => {
  expect(words()).toContain("restrict=on,ipv6=off,net=10.78.1.0/24,hostfwd=tcp:127.0.0.1:8001-:80");
});

test("a machine without the lab's port has no serial bus for it", () => {
  expect(words()).toContain("virtserialport,chardev=lab,name=org.hamlet.lab");
  expect(words({ hasLabPort: false })).not.toMatch(/virtserialport|virtio-serial/);
});

test("a machine counts its instructions only where it is asked to and emulated", () => {
  expect(words()).not.toContain("-icount");
  expect(words({ isCounted: true })).toContain("-icount shift=1");
});

test("each kind of disk and network card is bootable", () => {
  expect(words({ disk: "nvme" })).toContain("nvme,drive=disk,serial=lab,bootindex=0");
  expect(words({ disk: "usb" })).toContain("qemu-xhci -device usb-storage,drive=disk,bootindex=0");
  expect(words({ nic: "e1000e" })).toContain("e1000e,netdev=lan,mac=52:54:00:4c:00:01");
});

test("sockets are named relative to the folder, so that their paths stay short in a deep folder", () => {
  expect(words({ folder: `/${"deep/".repeat(50)}` })).not.toContain("deep");
});
