import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Drive, openBlockDevice } from "../../../image/flash/block-device.ts";
import { alignedBuffer } from "../../../image/flash/pieces.ts";
import { contractBytes, keepsTheContract } from "./block-device.contract.ts";
import { type Faults, Medium } from "./medium.ts";

let file = "";
beforeAll(async () => {
  file = join(await mkdtemp(join(tmpdir(), "hamlet-device-")), "drive");
  await writeFile(file, "");
  await truncate(file, contractBytes);
});
afterAll(() => rm(join(file, ".."), { recursive: true, force: true }));

const noRun = async () => "";
const driveOver = (faults: Faults = {}) =>
  new Drive(new Medium(contractBytes, faults).handle(), "/dev/test", contractBytes);

keepsTheContract("a file", () => openBlockDevice(file, noRun));
keepsTheContract("the double", async () => driveOver());
keepsTheContract("a double that takes little at once", async () => driveOver({ shortBytes: 12_288 }));

test("the error says that a drive was pulled out", async () => {
  const drive = driveOver({ vanishAfterBytes: 8192 });
  await drive.write(alignedBuffer(8192), 0);
  for (const attempt of [drive.write(alignedBuffer(4096), 0), drive.read(alignedBuffer(4096), 0), drive.flush()]) {
    await expect(attempt).rejects.toMatchObject({
      code: "flash.deviceFailed",
      message: expect.stringContaining("pulled out"),
    });
  }
});

test("the error names the position of a bad sector", async () => {
  const drive = driveOver({ badAt: 20_000 });
  await drive.write(alignedBuffer(4096), 0);
  await expect(drive.write(alignedBuffer(8192), 16_384)).rejects.toMatchObject({
    code: "flash.deviceFailed",
    message: "/dev/test: write at byte 16384 failed: the drive says EIO",
  });
});
