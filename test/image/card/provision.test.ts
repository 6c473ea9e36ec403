import { chmod, mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isDataAsMade, makeDataVolume } from "../../../image/assemble/data-volume.ts";
import { provisionBlockBytes } from "../../../image/boards.ts";
import { findProvisionBlock, provisionImage, readProvisionBlock } from "../../../image/card/provision.ts";
import { sectorBytes } from "../../../image/disk/gpt.ts";
import { withReader } from "../../../image/disk/read-at.ts";
import { readHead } from "../../../image/flash/head.ts";
import { inspectImage } from "../../../image/inspect/inspect.ts";
import { run } from "../../../system/command.ts";
import { lacks } from "../../lacks.ts";
import { diskBytes, imageFacts, makeDisk } from "../disk/disk.ts";

let folder = "";
let image = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-test-"));
  image = join(folder, "disk.img");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const block = Buffer.alloc(provisionBlockBytes, " ");
block.write('{"v":1}');

test("provisioning writes the provision block in place and changes no other byte", async () => {
  await makeDisk(image);
  const before = await readFile(image);
  const { offset, board } = await provisionImage(image, block);
  expect(board).toBe("nuc");
  const after = await readFile(image);
  expect(after.subarray(offset, offset + block.length).equals(block)).toBe(true);
  expect(after.subarray(0, offset).equals(before.subarray(0, offset))).toBe(true);
  expect(after.subarray(offset + block.length).equals(before.subarray(offset + block.length))).toBe(true);
  expect((await readProvisionBlock(image)).equals(block)).toBe(true);
});

test("only the owner may read an image that holds a secret", async () => {
  await makeDisk(image);
  await chmod(image, 0o644);
  await provisionImage(image, block);
  expect((await stat(image)).mode & 0o777).toBe(0o600);
});

test("inspect says what the image is and whether it holds a secret, but never shows the secret", async () => {
  await makeDisk(image);
  expect(await inspectImage(image)).toMatchObject({ board: "nuc", version: "1.2.3", isProvisioned: false });
  await provisionImage(image, Buffer.alloc(provisionBlockBytes, "SECRET "));
  const facts = await inspectImage(image);
  expect(facts.isProvisioned).toBe(true);
  expect(facts.partitions.map(({ label }) => label)).toEqual(["esp", "root-a"]);
  expect(JSON.stringify(facts)).not.toContain("SECRET");
});

test.each([
  ["was mounted", { mounts: 1, mountedS: 1_700_000_001, writtenS: 1_700_000_001 }],
  ["was written to by a tool that mounts nothing", { writtenS: 1_700_000_001 }],
  ["was made on another disk by an installation", { writtenS: 1_700_000_001, madeS: 1_700_000_001 }],
  ["is something else", { magic: 0 }],
])("a copy of a card whose data %s holds secrets, though its block is blank", async (_, data) => {
  await makeDisk(image, { data: {} });
  expect(await inspectImage(image)).toMatchObject({ isProvisioned: false });
  await makeDisk(image, { data });
  expect(await inspectImage(image)).toMatchObject({ isProvisioned: true });
});

test.skipIf(lacks("mke2fs"))("a freshly made data partition belongs to no device", async () => {
  await makeDataVolume(image, { sizeBytes: 32 << 20, uuid: "68616d6c-6574-4000-8000-000064617461", epochS: 1e9 }, run);
  await withReader(image, async (readAt) => {
    expect(await isDataAsMade(readAt, 0, 1e9)).toBe(true);
    expect(await isDataAsMade(readAt, 0, 1e9 + 1)).toBe(false);
  });
});

test("provisioning also accepts a card's mounted EFI partition", async () => {
  await mkdir(join(folder, "card/hamlet"), { recursive: true });
  await writeFile(join(folder, "card/hamlet/image.json"), JSON.stringify(imageFacts));
  await writeFile(join(folder, "card/hamlet/provision.json"), Buffer.alloc(provisionBlockBytes, "\n"));
  expect(await provisionImage(join(folder, "card"), block)).toEqual({ offset: 0, board: "nuc" });
  expect((await readFile(join(folder, "card/hamlet/provision.json"))).equals(block)).toBe(true);
});

test.each(["", "hello", "x".repeat(100_000)])("a file that is not an image is refused", async (content) => {
  await writeFile(image, content);
  await expect(provisionImage(image, block)).rejects.toMatchObject({ code: "image.notOurs" });
  expect(await readFile(image, "utf8")).toBe(content);
});

test.each([
  ["xz", "fd377a585a0000", "xz --decompress --keep"],
  ["zstd", "28b52ffd04", "zstd --decompress"],
  ["gzip", "1f8b0800", "gunzip --keep"],
  ["zip", "504b0304", "unzip"],
])("an image that is still compressed by %s is told from a file that is none", async (by, magic, unpack) => {
  await writeFile(image, Buffer.concat([Buffer.from(magic, "hex"), Buffer.alloc(4_096)]));
  await expect(provisionImage(image, block)).rejects.toMatchObject({
    code: "image.notOurs",
    message: `${image} is compressed (${by})`,
    hint: `unpack it first: ${unpack} ${image}`,
  });
});

test("a missing file and an empty folder are refused", async () => {
  await expect(provisionImage(join(folder, "none.img"), block)).rejects.toMatchObject({ code: "image.notOurs" });
  await expect(provisionImage(folder, block)).rejects.toMatchObject({ code: "image.notOurs" });
});

test("a card without a place for the provision file is refused, and the message names it", async () => {
  await mkdir(join(folder, "card/hamlet"), { recursive: true });
  await writeFile(join(folder, "card/hamlet/image.json"), JSON.stringify(imageFacts));
  await expect(provisionImage(join(folder, "card"), block)).rejects.toMatchObject({
    code: "image.notOurs",
    message: expect.stringContaining("hamlet/provision.json"),
  });
});

test("an image truncated anywhere is refused before a byte is written", async () => {
  for (const sizeBytes of [diskBytes - 1, diskBytes / 2, 2048 * sectorBytes + 20_000]) {
    await makeDisk(image);
    await truncate(image, sizeBytes);
    const before = await readFile(image);
    await expect(provisionImage(image, block)).rejects.toMatchObject({ code: "image.truncated" });
    expect((await readFile(image)).equals(before)).toBe(true);
  }
});

test.each([
  ["without image.json", { rename: { "image.json": "other.json" } }],
  ["without a provision file", { rename: { "provision.json": "provisioned.json" } }],
  ["with an image.json of another format", { image: { format: 2 as 1 } }],
  ["with garbage for image.json", { image: "{" }],
  ["with an image.json that spreads over a cluster", { image: "x".repeat(70_000) }],
  ["with a provision file of another size", { provisionBytes: 4096 }],
  ["with a provision file in pieces", { isFragmented: true }],
  ["with a cluster chain that loops", { isLooped: true }],
])("a disk %s is refused", async (_, options) => {
  await makeDisk(image, options);
  await expect(findProvisionBlock(image)).rejects.toMatchObject({ code: "image.notOurs" });
});

test("an image of a newer Hamlet asks for a newer Hamlet, on a disk, in a folder and when flashed", async () => {
  const hint = expect.stringMatching(/newer Hamlet made this: update/);
  const newer = { code: "image.notOurs", message: expect.stringContaining("has format 2"), hint };
  await makeDisk(image, { image: { format: 2 as 1 } });
  await expect(findProvisionBlock(image)).rejects.toMatchObject(newer);
  await expect(withReader(image, (readAt) => readHead(readAt, image))).rejects.toMatchObject(newer);
  await mkdir(join(folder, "card/hamlet"), { recursive: true });
  await writeFile(join(folder, "card/hamlet/image.json"), JSON.stringify({ format: 2 }));
  await expect(findProvisionBlock(join(folder, "card"))).rejects.toMatchObject(newer);
  const damaged = { code: "image.notOurs", hint: expect.stringContaining("damaged") };
  await writeFile(join(folder, "card/hamlet/image.json"), JSON.stringify({ format: "2" }));
  await expect(findProvisionBlock(join(folder, "card"))).rejects.toMatchObject(damaged);
});

test("inspect refuses a folder, and the hint says what it accepts", async () => {
  await mkdir(join(folder, "card/hamlet"), { recursive: true });
  await writeFile(join(folder, "card/hamlet/image.json"), JSON.stringify(imageFacts));
  await writeFile(join(folder, "card/hamlet/provision.json"), Buffer.alloc(provisionBlockBytes, "\n"));
  await expect(inspectImage(join(folder, "card"))).rejects.toMatchObject({
    code: "image.notOurs",
    message: expect.stringContaining("is a folder"),
    hint: expect.stringContaining("name the image file"),
  });
});

test("a damaged partition table is refused", async () => {
  await makeDisk(image);
  const bytes = await readFile(image);
  bytes[2 * sectorBytes + 40] = bytes[2 * sectorBytes + 40]! ^ 1;
  await writeFile(image, bytes);
  await expect(findProvisionBlock(image)).rejects.toMatchObject({ code: "image.notOurs" });
});

test("a provision block whose size differs from the image's is refused", async () => {
  await makeDisk(image);
  await expect(provisionImage(image, Buffer.alloc(100))).rejects.toMatchObject({ code: "provision.tooLarge" });
});

test("with any damage to a disk's first sectors, provisioning gives a coded error or writes to the right place", async () => {
  await makeDisk(image);
  const good = await readFile(image);
  const { offset } = await findProvisionBlock(image);
  const espAt = 2048 * sectorBytes;
  // Invert every byte of the boot sector, of the table's first kilobyte and of the two folders.
  const places = [0, 32 * sectorBytes, 96 * sectorBytes].flatMap((at) =>
    Array.from({ length: 96 }, (_, i) => espAt + at + i),
  );
  for (const at of places) {
    const bad = Buffer.from(good);
    bad[at] = bad[at]! ^ 0xff;
    await writeFile(image, bad);
    const found = await findProvisionBlock(image).catch((error) => error.code);
    if (typeof found === "string") expect(["image.notOurs", "image.truncated"]).toContain(found);
    else expect(found.offset).toBe(offset);
  }
});
