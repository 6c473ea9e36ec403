import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { takeRequestedDisk, tellFailure } from "../../../image/install/requested.ts";
import { type Paths, pathsUnder } from "../../../provisioning/firstboot/paths.ts";
import { HamletError } from "../../../system/error.ts";

const inner = { path: "/dev/nvme0n1", sizeBytes: 256e9, model: "Inner", partitions: 0 };
let root = "";
let paths: Paths;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hamlet-requested-"));
  paths = pathsUnder(root);
  await mkdir(paths.rootFolder, { recursive: true });
});
afterEach(() => rm(root, { recursive: true, force: true }));

const request = (content: string) => writeFile(paths.installRequest, content);
const take = (disk: typeof inner | undefined = inner) => takeRequestedDisk(paths, async () => disk);
const isLeft = async () => (await readdir(paths.rootFolder)).length > 0;

test("a request must name the internal disk, and counts only once", async () => {
  await request('{"v":1,"disk":"/dev/nvme0n1"}');
  expect(await take()).toBe("/dev/nvme0n1");
  expect(await isLeft()).toBe(false);
  await expect(take()).rejects.toMatchObject({ code: "install.refused" });
});

test.each([
  ["another disk", '{"v":1,"disk":"/dev/sda"}', inner],
  ["a disk that is gone", '{"v":1,"disk":"/dev/nvme0n1"}', undefined],
  ["garbage", "{", inner],
  ["no path", '{"v":1,"disk":["/dev/nvme0n1"]}', inner],
])("a request for %s is refused and removed", async (_, content, disk) => {
  await request(content);
  await expect(takeRequestedDisk(paths, async () => disk)).rejects.toMatchObject({
    code: "install.refused",
    exitCode: 3,
  });
  expect(await isLeft()).toBe(false);
});

test("a failure is left for the agent to show", async () => {
  const { uid, gid } = { uid: process.getuid?.() || 65534, gid: process.getgid?.() || 65534 };
  await mkdir(join(root, "etc"), { recursive: true });
  await writeFile(paths.passwd, `hamlet:x:${uid}:${gid}::/:/bin/false\n`);
  const ran: string[] = [];
  const failure = new HamletError("flash.verifyFailed", "the disk gives back other bytes", { hint: "use another one" });
  await tellFailure(
    paths,
    failure,
    async (argv) => {
      ran.push(argv.join(" "));
      return "";
    },
    7,
  );
  const told = { v: 1, code: "flash.verifyFailed", message: failure.message, hint: "use another one", since: 7 };
  expect(JSON.parse(await readFile(paths.problems, "utf8"))).toEqual(told);
  expect(ran).toEqual(["systemctl restart hamlet-agent.service"]);
});

test("an unexpected failure has a code too", async () => {
  const { uid, gid } = { uid: process.getuid?.() || 65534, gid: process.getgid?.() || 65534 };
  await mkdir(join(root, "etc"), { recursive: true });
  await writeFile(paths.passwd, `hamlet:x:${uid}:${gid}::/:/bin/false\n`);
  await tellFailure(paths, new Error("EIO: i/o error, read"), async () => "", 7);
  expect(JSON.parse(await readFile(paths.problems, "utf8"))).toMatchObject({
    code: "install.failed",
    message: "EIO: i/o error, read",
    hint: expect.stringContaining("hamlet install"),
  });
});
