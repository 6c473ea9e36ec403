import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { labDevices } from "../../../../image/lab/machine/devices.ts";
import { type Fit, fitOf } from "../../../../image/lab/saved/fit.ts";
import { lacks } from "../../../lacks.ts";

let folder = "";
let image = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-fit-"));
  image = join(folder, "one.img");
  await writeFile(image, "an image");
  await truncate(image, 5 << 20);
});
afterAll(() => rm(folder, { recursive: true }));

const machine = { accelerator: "tcg", disk: "virtio", nic: "virtio", memoryMb: 512, hasLabPort: true } as const;
const machines = (count: number, more: Partial<Fit["machines"][number]> = {}, boards = ["nuc"]) =>
  labDevices(count, boards).map((device) => ({ ...machine, ...more, device }));
const nameOf = (more: Partial<Fit> = {}) =>
  fitOf({ run: async () => "QEMU 7", machines: machines(2), images: [image], isProvisioned: true, ...more });

test.skipIf(lacks("qemu-system-x86_64"))("the same machines fit the same state, wherever their image is", async () => {
  const copy = join(folder, "copy.img");
  await writeFile(copy, "an image");
  await truncate(copy, 5 << 20);
  expect(await nameOf()).toMatch(/^[0-9a-f]{32}$/);
  expect(await nameOf({ images: [copy] })).toBe(await nameOf());
});

test.skipIf(lacks("qemu-system-x86_64"))(
  "another byte, length, QEMU, accelerator, argument or device needs another state",
  async () => {
    const variants = [nameOf()];
    for (const [name, text, length] of [
      ["byte", "An image", 5 << 20],
      ["longer", "an image", 6 << 20],
      ["moved", "an image at another place", 5 << 20],
    ] as const) {
      const other = join(folder, name);
      await writeFile(other, text);
      await truncate(other, length);
      variants.push(nameOf({ images: [other] }));
    }
    variants.push(nameOf({ run: async () => "QEMU 8" }));
    variants.push(nameOf({ machines: machines(2, { accelerator: "kvm" }) }));
    variants.push(nameOf({ machines: machines(2, { memoryMb: 640 }) }));
    variants.push(nameOf({ machines: machines(3) }));
    const fits = await Promise.all(variants);
    expect(fits).not.toContain(undefined);
    expect(new Set(fits).size).toBe(variants.length);
  },
);

test("a Pi, NVMe and USB have no state, because QEMU cannot save them; nor have machines without the lab's port or a neighborhood", async () => {
  expect(await nameOf({ machines: machines(1, {}, ["rpi3"]) })).toBeUndefined();
  expect(await nameOf({ machines: machines(2, {}, ["nuc", "rpi3"]) })).toBeUndefined();
  expect(await nameOf({ machines: machines(1, { disk: "nvme" }) })).toBeUndefined();
  expect(await nameOf({ machines: machines(1, { disk: "usb" }) })).toBeUndefined();
  expect(await nameOf({ machines: machines(1, { nic: "e1000e" }) })).toBeUndefined();
  expect(await nameOf({ machines: machines(1, { hasLabPort: false }) })).toBeUndefined();
  expect(await nameOf({ isProvisioned: false })).toBeUndefined();
});
