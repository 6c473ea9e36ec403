import { execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { headSectors, readGpt, sectorBytes } from "../../../image/disk/gpt.ts";
import { type BlockDevice, Drive, openBlockDevice } from "../../../image/flash/block-device.ts";
import type { ImageSource } from "../../../image/flash/source.ts";
import { writeImage } from "../../../image/flash/write.ts";
import { install } from "../../../image/install/install.ts";
import { openOwnDisk } from "../../../image/install/own-disk.ts";
import { finishMove } from "../../../provisioning/firstboot/move.ts";
import { pathsUnder } from "../../../provisioning/firstboot/paths.ts";
import { type Argv, type Run, run as realRun } from "../../../system/command.ts";
import { HamletError } from "../../../system/error.ts";
import { silentProgress } from "../../../system/progress.ts";
import { lacks } from "../../lacks.ts";
import { places } from "../flash/image.ts";
import { type Faults, Medium } from "../flash/medium.ts";
import { gid, hasIdentity, makeStick, readAt, type Stick, targetBytes, uid } from "./stick.ts";

const skips = lacks("mke2fs");
let root = "";
let stick: Stick;
let ran: Argv[];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hamlet-stick-"));
  stick = await makeStick(root);
  ran = [];
});
afterEach(() => rm(root, { recursive: true, force: true }));

const run: Run = async (argv, options) => {
  ran.push(argv);
  return argv[0] === "systemctl" || argv[0] === "sync" ? "" : await realRun(argv, options);
};

type Write = (source: ImageSource, beforeTable: () => Promise<void>) => Promise<unknown>;
const onto =
  (open: () => Promise<BlockDevice>): Write =>
  async (source, beforeTable) => {
    const device = await open();
    try {
      return await writeImage(source, device, { progress: silentProgress, nonce: Buffer.alloc(16, 3), beforeTable });
    } finally {
      await device.close();
    }
  };
const ontoTarget = onto(() => openBlockDevice(stick.target, run));

async function installed(write: Write, paths = stick.paths) {
  const disk = await openOwnDisk(stick.links);
  try {
    return await install(disk, "/dev/nvme0n1", {
      paths,
      run,
      progress: silentProgress,
      now: 1,
      write,
      workIn: root,
    });
  } finally {
    await disk.close();
  }
}

const targetTable = async () => readGpt(await readAt(stick.target, 0, headSectors * sectorBytes));

test.skipIf(skips)(
  "a move puts system, state and identity on the disk, and leaves no identity on the stick",
  async () => {
    expect(await installed(ontoTarget)).toBe("moved");
    const table = (await targetTable())!;
    expect(table.partitions.map(({ label }) => label)).toEqual(["esp", "root-a", "root-b", "data"]);
    const same = async (from: number, length: number) =>
      (await readAt(stick.target, from, length)).equals(stick.image.subarray(from, from + length));
    // The tables and files of the FAT, the erofs, and nothing from slot b.
    expect(await same(places.esp, 32 * 512 + 64 * 512 + 2048)).toBe(true);
    expect(await same(places.rootA, 1 << 20)).toBe(true);
    expect((await readAt(stick.target, places.rootB, 8192)).includes("old")).toBe(false);

    const { firstSector, sectors } = table.partitions.at(-1)!;
    const data = join(root, "data.ext4");
    await writeFile(data, await readAt(stick.target, firstSector * sectorBytes, sectors * sectorBytes));
    const tool = (...words: string[]) =>
      execFileSync(words[0]!, words.slice(1), {
        encoding: "utf8",
        stdio: "pipe",
        env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` },
      });
    tool("e2fsck", "-fn", data);
    const debugfs = (what: string) => tool("debugfs", "-R", what, data);
    expect(debugfs("cat /agent/identity.json")).toBe('{"secret":"of attic"}');
    expect(debugfs("stat /agent/identity.json")).toMatch(new RegExp(`User:\\s+${uid}\\s+Group:\\s+${gid}`));
    expect(debugfs("cat /system/machine-id")).toContain("0123456789abcdef");
    expect(debugfs("cat /root/ssh/authorized_keys")).toContain("ssh-ed25519");
    expect(debugfs("ls /system")).not.toContain("grown");
    expect(debugfs("ls /root")).not.toContain("moving");

    const { paths } = stick;
    expect(await readdir(paths.agentFolder)).toEqual(["firstboot.json"]);
    expect(JSON.parse(await readFile(paths.problems, "utf8"))).toMatchObject({ code: "install.moved" });
    expect(await readdir(paths.rootFolder)).toEqual([]);
    expect(await readdir(paths.systemFolder)).toEqual(["grown"]);
  },
);

test.skipIf(skips)("the new disk shares no GUID with the stick, and no two installs make the same GUIDs", async () => {
  await installed(ontoTarget);
  const { guid, partitions } = (await targetTable())!;
  const own = [guid, ...partitions.map((one) => one.guid)];
  const old = readGpt(stick.image)!;
  expect(new Set([...own, old.guid, ...old.partitions.map((one) => one.guid)]).size).toBe(2 * own.length);
});

test.skipIf(skips)("the agent stops while its state is copied, and always runs again afterwards", async () => {
  await installed(ontoTarget);
  const words = ran.map((argv) => argv.slice(0, 2).join(" "));
  expect(words.indexOf("systemctl stop")).toBeLessThan(words.indexOf("/sbin/mke2fs -q"));
  expect(words).toContain("/sbin/mke2fs -q");
  expect(words.at(-1)).toBe("systemctl start");
});

test.skipIf(skips).each<[string, Faults]>([
  ["is pulled out", { vanishAfterBytes: 20 << 20 }],
  ["returns a flipped bit", { rottenAt: places.rootA + 9000 }],
  ["gives back a wrong bit of its table", { rottenAt: 700 }],
  ["lies about its size", { realBytes: 32 << 20, beyond: "wraps" }],
])("a disk that %s leaves the identity on the stick", async (_, faults) => {
  const medium = new Medium(targetBytes, faults);
  const write = onto(async () => new Drive(medium.handle(), "/dev/nvme0n1", targetBytes));
  await expect(installed(write)).rejects.toMatchObject({ code: expect.stringMatching(/^flash\./) });
  expect(await hasIdentity(stick.paths)).toBe(true);
  expect(await readdir(stick.paths.rootFolder)).toEqual(["ssh"]);
  expect(readGpt(medium.stored)).toBeUndefined();
  expect(ran.at(-1)).toEqual(["systemctl", "start", "hamlet-agent.service", "hamlet-tell.path"]);
});

test.skipIf(skips)("the move stops if the boot partition changes while it is copied", async () => {
  const write: Write = async (source, beforeTable) =>
    await ontoTarget(source, async () => {
      const esp = await readFile(join(stick.paths.dev, "esp"));
      esp[20_000]! ^= 1;
      await writeFile(join(stick.paths.dev, "esp"), esp);
      await beforeTable();
    });
  await expect(installed(write)).rejects.toMatchObject({ code: "install.changed" });
  expect(await hasIdentity(stick.paths)).toBe(true);
  expect(await targetTable()).toBeUndefined();
});

/** Writes, runs `then`, and fails like a disk. */
const failingAfter =
  (then: () => Promise<unknown>): Write =>
  async (source, beforeTable) => {
    await ontoTarget(source, beforeTable);
    await then();
    throw new HamletError("flash.deviceFailed", "read at byte 0 failed", { hint: "run the same command again" });
  };
const told = async () => JSON.parse(await readFile(stick.paths.problems, "utf8"));

test.skipIf(skips)("the error and the report say if a disk fails and stops answering", async () => {
  const write = failingAfter(() => rm(stick.target));
  await expect(installed(write)).rejects.toMatchObject({
    code: "flash.deviceFailed",
    hint: expect.stringContaining("does not answer"),
  });
  expect(await told()).toMatchObject({ code: "install.unclear" });
});

test.skipIf(skips)("a disk that fails once it is complete holds the device, and the report says so", async () => {
  await expect(installed(failingAfter(async () => {}))).rejects.toMatchObject({
    code: "flash.deviceFailed",
    hint: expect.stringContaining("pull the stick out"),
  });
  expect(await told()).toMatchObject({ code: "install.moved" });
  expect(await hasIdentity(stick.paths)).toBe(false);
});

test.skipIf(skips)("a failed cleanup does not hide the first failure", async () => {
  // A file is in the place of the agent's folder.
  const write = failingAfter(async () => {
    await rm(stick.target);
    await writeFile(stick.paths.agentFolder, "");
  });
  await expect(installed(write)).rejects.toMatchObject({
    code: "flash.deviceFailed",
    message: "read at byte 0 failed",
    hint: expect.stringContaining("restart this device"),
  });
  expect(ran.at(-1)).toEqual(["systemctl", "start", "hamlet-agent.service", "hamlet-tell.path"]);
});

test.skipIf(skips)("the move succeeds even if its report cannot be written", async () => {
  const paths = { ...stick.paths, problems: join(stick.paths.passwd, "report.json") };
  expect(await installed(ontoTarget, paths)).toBe("moved");
});

test.skipIf(skips)(
  "after a power cut at any write to the disk and a reboot, exactly one of the two has the identity",
  async () => {
    const medium = new Medium(targetBytes, {}, 0);
    type Moment = { state: string; head: Buffer };
    const moments: Moment[] = [];
    const snapshot = async () => {
      const state = join(root, `moment-${moments.length}`);
      moments.push({ state, head: Buffer.from(medium.stored.subarray(0, 64 << 10)) });
      await cp(join(root, "var"), join(state, "var"), { recursive: true });
    };
    const bare = medium.handle();
    const watched = Object.assign(Object.create(bare), {
      write: async (...words: Parameters<typeof bare.write>) => {
        const result = await (bare.write as (...all: unknown[]) => Promise<unknown>)(...words);
        await snapshot();
        return result;
      },
    });
    const write = onto(async () => new Drive(watched, "/dev/nvme0n1", targetBytes));
    // At the end, the disk is opened by its path.
    const kept: Write = async (source, beforeTable) => {
      await write(source, async () => {
        await snapshot();
        await beforeTable();
        await snapshot();
      });
      await writeFile(stick.target, medium.stored);
    };
    expect(await installed(kept)).toBe("moved");
    expect(moments.length).toBeGreaterThan(30);
    const outcomes = new Set<string>();
    for (const { state, head } of moments) {
      const paths = pathsUnder(state);
      for (const folder of ["sys", "dev"]) await mkdir(join(state, folder), { recursive: true });
      await cp(join(root, "sys"), join(state, "sys"), { recursive: true });
      await writeFile(join(state, "dev/nvme0n1"), head);
      const outcome = await finishMove(paths, { uid, gid });
      outcomes.add(outcome);
      const onDisk = readGpt(head) !== undefined;
      expect([outcome, await hasIdentity(paths), onDisk]).toEqual([onDisk ? "moved" : "stayed", !onDisk, onDisk]);
    }
    expect([...outcomes].sort()).toEqual(["moved", "stayed"]);
  },
  120_000,
);

test("a computer that does not run from a Hamlet disk, and one that runs from a Pi's card, get a coded error", async () => {
  await expect(openOwnDisk(join(root, "none"))).rejects.toMatchObject({ code: "install.notADevice", exitCode: 2 });
  await writeFile(join(stick.paths.dev, "sda"), Buffer.alloc(1 << 20));
  await expect(openOwnDisk(stick.links)).rejects.toMatchObject({ code: "install.unsupported", exitCode: 3 });
});
