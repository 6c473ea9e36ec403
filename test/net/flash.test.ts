// `hamlet flash` onto a real block device.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { mapImage } from "../../image/assemble/map.ts";
import { bmapText } from "../../image/disk/bmap.ts";
import { readGpt } from "../../image/disk/gpt.ts";
import { openBlockDevice } from "../../image/flash/block-device.ts";
import { run } from "../../system/command.ts";
import { type Ended, runHamlet } from "../boot/lab.ts";
import { contractBytes, keepsTheContract } from "../image/flash/block-device.contract.ts";
import { imageBytes, makeImage, places } from "../image/flash/image.ts";
import { lacks } from "../lacks.ts";

const mib = 1 << 20;
const cardBytes = 20 * mib;
const hamletPath = fileURLToPath(new URL("../../cli/hamlet.ts", import.meta.url));
let folder = "";
let path = "";
let image: Buffer;
let card = "";
let small = "";
const loops: string[] = [];

const sbin = (...[file = "", ...args]: string[]) =>
  execFileSync(file, args, {
    encoding: "utf8",
    env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` },
  });

async function makeLoop(name: string, sizeBytes: number): Promise<string> {
  await writeFile(join(folder, name), "");
  await truncate(join(folder, name), sizeBytes);
  const loop = sbin("losetup", "--find", "--show", join(folder, name)).trim();
  loops.push(loop);
  return loop;
}
const hamlet = (...argv: string[]): Promise<Ended> => runHamlet(argv, {});

async function readCard(from: number, to: number): Promise<Buffer> {
  const handle = await open(card, "r");
  const { buffer } = await handle.read(Buffer.alloc(to - from), 0, to - from, from);
  await handle.close();
  return buffer;
}
const isComplete = async () => {
  for (const [from, to] of [
    [0, places.esp],
    [places.rootA, places.rootB],
    [places.data, imageBytes],
  ] as const) {
    if (!(await readCard(from, to)).equals(image.subarray(from, to))) return false;
  }
  return true;
};

describe.skipIf(lacks("root", "losetup"))("on a loop device", () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "hamlet-flash-"));
    path = join(folder, "image.img");
    card = await makeLoop("card", cardBytes);
    small = await makeLoop("small", contractBytes);
  });
  beforeEach(async () => {
    await rm(`${path}.bmap`, { force: true });
    image = await makeImage(path);
    const handle = await open(card, "r+");
    await handle.write(Buffer.alloc(cardBytes, 0xa5));
    await handle.close();
  });
  afterAll(async () => {
    for (const loop of loops) sbin("losetup", "--detach", loop);
    await rm(folder, { recursive: true, force: true });
  });

  keepsTheContract("a loop device", () => openBlockDevice(small, run));

  test("an image is written completely: plain, compressed, with a map and from stdin", async () => {
    await writeFile(`${path}.zst`, zstdCompressSync(image));
    for (const [source, mapped] of [
      [path, false],
      [`${path}.zst`, false],
      [path, true],
      [`${path}.zst`, true],
    ] as const) {
      if (mapped) await writeFile(`${path}.bmap`, bmapText(await mapImage(path)));
      const { code, stdout, stderr } = await hamlet("flash", source, card, "--yes");
      expect(stderr).toContain("reading back");
      expect([code, stdout]).toEqual([0, expect.stringContaining("written and verified")]);
      expect(await isComplete()).toBe(true);
      sbin("dd", "if=/dev/urandom", `of=${card}`, "bs=1M", "count=16", "status=none", "conv=fsync");
    }
    const piped = sbin("sh", "-c", `cat ${path}.zst | ${process.execPath} ${hamletPath} flash - ${card} --yes --json`);
    expect(JSON.parse(piped)).toMatchObject({ path: card, board: "nuc", verified: true });
    expect(await isComplete()).toBe(true);
  });

  test.skipIf(lacks("bmaptool"))(
    "bmaptool writes the same bytes from the same map, even after provisioning",
    async () => {
      await writeFile(`${path}.bmap`, bmapText(await mapImage(path)));
      const { offset } = await import("../../image/card/provision.ts").then((it) => it.findProvisionBlock(path));
      image.fill("s", offset, offset + 65_536);
      await writeFile(path, image);
      sbin("bmaptool", "copy", path, card);
      expect(await isComplete()).toBe(true);
      expect((await hamlet("flash", path, card, "--yes")).code).toBe(0);
      expect((await readCard(offset, offset + 65_536)).equals(Buffer.alloc(65_536, "s"))).toBe(true);
    },
  );

  test("a dry run names the drive and writes nothing", async () => {
    const { code, stdout } = await hamlet("flash", path, card, "--dry-run");
    expect([code, stdout]).toEqual([0, expect.stringContaining(`would write ${path}`)]);
    expect((await readCard(0, mib)).equals(Buffer.alloc(mib, 0xa5))).toBe(true);
  });

  test("without a terminal, flash writes nothing unless --yes is given", async () => {
    const { code, stderr } = await hamlet("flash", path, card);
    expect([code, stderr]).toEqual([2, expect.stringContaining("--yes is missing")]);
    expect((await readCard(0, mib)).equals(Buffer.alloc(mib, 0xa5))).toBe(true);
  });

  test("at a terminal, flash writes only after the answer yes", async () => {
    const words = `${process.execPath} ${hamletPath} flash ${path} ${card}`;
    const type = async (typed: string) => {
      const child = spawn("script", ["-qec", words, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
      let told = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        told += text;
        if (text.includes("Type yes")) child.stdin.write(typed);
      });
      const [code] = await once(child, "close");
      return { code, told };
    };
    expect(await type("y\n")).toMatchObject({ code: 3, told: expect.stringContaining("nothing was written") });
    expect((await readCard(0, mib)).equals(Buffer.alloc(mib, 0xa5))).toBe(true);
    expect(await type("yes\n")).toMatchObject({ code: 0 });
    expect(await isComplete()).toBe(true);
  });

  test("the list shows the card as free and marks the system's disks, which flash refuses with exit code 3", async () => {
    const { stdout } = await hamlet("flash", "--list", "--json");
    const drives = JSON.parse(stdout) as { path: string; sizeBytes: number; bus: string; refused?: { code: string } }[];
    expect(drives.find((drive) => drive.path === card)).toMatchObject({ sizeBytes: cardBytes, bus: "loop" });
    expect(drives.find((drive) => drive.path === card)?.refused).toBeUndefined();
    // A container may not see the computer's disks at all.
    for (const { path: system } of drives.filter(({ refused }) => refused?.code === "flash.systemDisk")) {
      expect(await hamlet("flash", path, system, "--yes", "--dry-run")).toMatchObject({
        code: 3,
        stderr: expect.stringContaining("flash.systemDisk"),
      });
    }
  });

  test("flash refuses a file, a folder and a missing path with exit code 2", async () => {
    for (const target of [join(folder, "card"), folder, "/dev/none"]) {
      expect(await hamlet("flash", path, target, "--yes")).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("flash.notADrive"),
      });
    }
  });

  test("flash refuses a card that is too small or mounted with exit code 3", async () => {
    expect(await hamlet("flash", path, small, "--yes")).toMatchObject({
      code: 3,
      stderr: expect.stringContaining("flash.tooSmall"),
    });
    sbin("mke2fs", "-q", card);
    await mkdir(join(folder, "mounted"), { recursive: true });
    sbin("mount", card, join(folder, "mounted"));
    try {
      expect(await hamlet("flash", path, card, "--yes")).toMatchObject({
        code: 3,
        stderr: expect.stringContaining("flash.inUse"),
      });
      // Even if the list were wrong, the kernel would refuse.
      await expect(openBlockDevice(card, run)).rejects.toMatchObject({ code: "flash.inUse", exitCode: 3 });
    } finally {
      sbin("umount", join(folder, "mounted"));
    }
  });

  test("Ctrl-C leaves a card without a table and reports the progress, and the same command completes the card", async () => {
    const child = spawn(process.execPath, [hamletPath, "flash", "-", card, "--yes"], { stdio: "pipe" });
    let told = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      told += text;
      if (/writing \.\.\./.test(text)) child.kill("SIGINT");
    });
    child.stdout.resume();
    child.stdin.on("error", () => {});
    // The rest of the image never arrives.
    child.stdin.write(image.subarray(0, 9 * mib));
    const [code] = await once(child, "close");
    expect(code).toBe(130);
    expect(told).toMatch(/has no partition table now: \d+ MB of 12 MB were written \(run the same command again\)/);
    expect(readGpt(await readCard(0, mib))).toBeUndefined();
    expect((await hamlet("flash", path, card, "--yes")).code).toBe(0);
    expect(await isComplete()).toBe(true);
  });

  test("a damaged image leaves a card without a table", async () => {
    const packed = zstdCompressSync(image.subarray(0, 9 * mib));
    await writeFile(`${path}.zst`, packed);
    const { code, stderr } = await hamlet("flash", `${path}.zst`, card, "--yes");
    expect([code, stderr]).toEqual([1, expect.stringMatching(/image\.truncated.*has no partition table now/)]);
    expect((await readCard(0, mib)).equals(Buffer.alloc(mib))).toBe(true);
    expect((await readFile(`${path}.zst`)).equals(packed)).toBe(true);
  });
});
