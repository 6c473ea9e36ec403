// What flashing relies on, tested against a real drive and against the fake one that tests damage.
import { expect, test } from "vitest";
import type { BlockDevice } from "../../../image/flash/block-device.ts";
import { alignedBuffer } from "../../../image/flash/pieces.ts";

const mib = 1 << 20;
export const contractBytes = 8 * mib;

export function keepsTheContract(name: string, open: () => Promise<BlockDevice>): void {
  const bytesOf = (fill: number, length: number) => alignedBuffer(length).fill(fill);

  test(`${name}: reports its size`, async () => {
    const device = await open();
    expect(device.sizeBytes).toBe(contractBytes);
    await device.close();
  });

  test(`${name}: returns what was written and leaves the bytes around it unchanged`, async () => {
    const device = await open();
    await device.write(bytesOf(1, contractBytes), 0);
    await device.write(bytesOf(2, 4096), mib);
    await device.write(bytesOf(3, 4 * mib), 4 * mib);
    await device.flush();
    await device.dropCache();
    const all = alignedBuffer(contractBytes);
    await device.read(all, 0);
    const wanted = Buffer.concat([bytesOf(1, mib), bytesOf(2, 4096), bytesOf(1, 3 * mib - 4096), bytesOf(3, 4 * mib)]);
    expect(all.equals(wanted)).toBe(true);
    await device.close();
  });

  test(`${name}: completes several writes at once`, async () => {
    const device = await open();
    await Promise.all(Array.from({ length: 8 }, (_, index) => device.write(bytesOf(index, mib), index * mib)));
    await device.flush();
    await device.dropCache();
    for (let index = 0; index < 8; index++) {
      const read = alignedBuffer(mib);
      await device.read(read, index * mib);
      expect(read.equals(bytesOf(index, mib))).toBe(true);
    }
    await device.close();
  });

  test(`${name}: refuses reads and writes beyond its end`, async () => {
    const device = await open();
    const beyond = contractBytes - 4096;
    const code = "flash.deviceFailed";
    await expect(device.write(bytesOf(1, 8192), beyond)).rejects.toMatchObject({ code });
    await expect(device.read(alignedBuffer(8192), beyond)).rejects.toMatchObject({ code });
    await device.close();
  });
}
