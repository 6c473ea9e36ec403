// What the other slot holds, read from real file systems.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { appendSections } from "../../../image/assemble/uki.ts";
import { makeVerity } from "../../../image/bundle/verity.ts";
import { readOtherSlot, verifyOther } from "../../../ota/updater/other-slot.ts";
import { openSlotPart } from "../../../ota/updater/slot-part.ts";
import { run } from "../../../system/command.ts";
import { makeStub } from "../../image/assemble/stub.ts";
import { makeFat } from "../../image/card/card.ts";
import { lacks } from "../../lacks.ts";

let folder = "";
let rootHash = "";
let dataBlocks = 0;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "hamlet-other-"));
  mkdirSync(join(folder, "tree/usr/lib/hamlet"), { recursive: true });
  mkdirSync(join(folder, "entries"));
  writeFileSync(join(folder, "tree/usr/lib/hamlet/release.json"), '{"board":"nuc","version":"0.1.0","builtS":1}');
  if (lacks("mkfs.erofs", "veritysetup")) return;
  await run(["mkfs.erofs", "-Enoinline_data", join(folder, "root-a"), join(folder, "tree")]);
  ({ rootHash, dataBlocks } = await makeVerity(join(folder, "root-a"), join(folder, "verity-a"), run));
});
afterEach(() => rmSync(folder, { recursive: true }));

const line = () => `quiet hamlet.verity=${rootHash} hamlet.blocks=${dataBlocks} hamlet.slot=a`;
const writeKernel = () => {
  const kernel = appendSections(makeStub(), [{ name: ".cmdline", content: Buffer.from(`${line()}\0`) }]);
  writeFileSync(join(folder, "entries/hamlet_0.1.0.efi"), kernel);
};
const read = () => readOtherSlot(folder, join(folder, "entries"), "a");
const openPart = (label: string) => openSlotPart(join(folder, label), "/sys");
const noGoodEntry = expect.objectContaining({ code: "boot.noGoodEntry" });

describe.skipIf(lacks("mkfs.erofs", "veritysetup"))("the other slot", () => {
  test.each([
    ["a unified kernel image", writeKernel],
    ["a Pi's boot partition", () => writeFileSync(join(folder, "boot-a"), makeFat({ "cmdline.txt": line() }, 32))],
  ])("is found by the command line in %s, and verifies", async (_, write) => {
    write();
    const other = await read();
    expect(other).toEqual({ version: "0.1.0", rootHash, dataBlocks });
    const done: number[] = [];
    await verifyOther(other, "a", openPart, (bytes) => done.push(bytes));
    expect(done.at(-1)).toBe(dataBlocks * 4096);
  });

  test.each(["root-a", "verity-a"])("with a wrong byte in %s is not whole", async (label) => {
    writeKernel();
    const bytes = readFileSync(join(folder, label));
    bytes[bytes.length - 100]! ^= 1;
    const other = await read();
    writeFileSync(join(folder, label), bytes);
    await expect(verifyOther(other, "a", openPart, () => {})).rejects.toEqual(noGoodEntry);
  });

  test("that is empty, or whose kernel is gone, is not whole", async () => {
    await expect(read()).rejects.toEqual(noGoodEntry);
    writeFileSync(join(folder, "entries/hamlet_0.1.0.efi"), "");
    await expect(read()).rejects.toEqual(noGoodEntry);
  });
});
