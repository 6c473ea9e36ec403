// Attacks of a compromised agent on root, run as the agent's user: links, pipes, folders and floods in the place of files that
// root reads and writes, and swaps between one access and the next. Root's real programs run against them.
import { chmod, chown, mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { takeRequestedDisk, tellFailure } from "../../../image/install/requested.ts";
import { readDeviceState } from "../../../provisioning/firstboot/device-state.ts";
import { firstBoot } from "../../../provisioning/firstboot/firstboot.ts";
import { type Paths, pathsUnder } from "../../../provisioning/firstboot/paths.ts";
import { copyFolder } from "../../../provisioning/handover/copy.ts";
import { readFrom } from "../../../provisioning/handover/files.ts";
import { Folder } from "../../../provisioning/handover/folder.ts";
import { requestText, takeUpdateRequest } from "../../../provisioning/handover/requests.ts";
import { wipeInside } from "../../../provisioning/handover/wipe.ts";
import { silentLog } from "../../../system/log.ts";
import { lacks } from "../../lacks.ts";
import { monday } from "../../street.ts";
import { agentUser, asAgent, attackOn } from "./attacker.ts";

const skips = lacks("root", "perl");
let root: string;
let paths: Paths;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hamlet-attack-"));
  await chmod(root, 0o755);
  paths = pathsUnder(root);
  await put(paths.passwd, `hamlet:x:${agentUser.uid}:${agentUser.gid}::/:/bin/false\n`);
  await put(paths.kernelHostname, "hamlet");
  await put(join(paths.networkFolder, "70-hamlet-static.network"), "[Match]\nName=e*\n");
  await put(join(paths.rootFolder, "secret"), "canary");
  await put(join(paths.systemFolder, "shared"), "canary");
  await chmod(paths.rootFolder, 0o700);
  await mkdir(paths.agentFolder, { recursive: true });
  if (skips) return;
  await chown(paths.agentFolder, agentUser.uid, agentUser.gid);
  await chmod(paths.agentFolder, 0o700);
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function put(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}
const boot = () => firstBoot(paths, { log: silentLog, now: monday, run: async () => "" });
const refuse = () =>
  takeRequestedDisk(paths, async () => undefined).catch((error) => tellFailure(paths, error, async () => "", 1));
/** Checks that root's files are unchanged: content, owner and permissions. */
async function isUntouched(): Promise<void> {
  for (const path of [paths.rootFolder, paths.systemFolder, paths.passwd, join(paths.rootFolder, "secret")]) {
    expect((await stat(path)).uid, path).toBe(0);
  }
  expect((await stat(paths.rootFolder)).mode & 0o777).toBe(0o700);
  for (const path of [join(paths.rootFolder, "secret"), join(paths.systemFolder, "shared")])
    expect(await readFile(path, "utf8")).toBe("canary");
}

const swapTemporaries = `opendir(my $d, ".") or next;
  for my $name (readdir $d) { if ($name =~ /\\.tmp$/) { unlink $name; symlink $ARGV[0], $name; } }`;

describe.skipIf(skips)("a report that root writes while the agent swaps files", () => {
  test("p1, p1-root, p1-agent: the agent gains no file of root's by swapping files while root writes a report", async () => {
    for (const target of [paths.rootFolder, paths.passwd]) {
      await using _ = await attackOn(paths.agentFolder, swapTemporaries, target);
      for (let tries = 0; tries < 25; tries++) await refuse();
      await isUntouched();
    }
  });

  test("p1-agent: the same attack succeeds against a program that writes in the agent's folder and changes the owner by path", async () => {
    const target = join(paths.systemFolder, "shared");
    await using _ = await attackOn(paths.agentFolder, swapTemporaries, target);
    while ((await stat(target)).uid === 0) {
      const temporary = `${paths.problems}.1234.tmp`;
      const file = await open(temporary, "wx").catch(() => undefined);
      await file?.writeFile("{}");
      await file?.sync();
      await file?.close();
      await rename(temporary, paths.problems).catch(() => {});
      await chown(paths.problems, agentUser.uid, agentUser.gid).catch(() => {});
    }
  });

  test("p1-root: nor does the agent gain one by a link, a folder or a pipe in the report's place", async () => {
    const again = `for my $make (sub { symlink $ARGV[0], "firstboot.json" }, sub { mkdir "firstboot.json" },
      sub { POSIX::mkfifo("firstboot.json", 0600) }) { unlink "firstboot.json"; rmdir "firstboot.json"; $make->(); }`;
    await using _ = await attackOn(paths.agentFolder, again, join(paths.rootFolder, "secret"));
    for (let tries = 0; tries < 25; tries++) await refuse().catch(() => {});
    await isUntouched();
  });
});

const junk: Record<string, string> = {
  "a pipe": "POSIX::mkfifo($ARGV[0], 0600) or die $!",
  "a link to /dev/zero": 'symlink "/dev/zero", $ARGV[0] or die $!',
  "a link to root's own": "symlink $ARGV[1], $ARGV[0] or die $!",
  "a link to nothing": 'symlink "nowhere", $ARGV[0] or die $!',
  "a folder": "mkdir $ARGV[0] or die $!",
  "folders in folders":
    'my $at = $ARGV[0]; for (1 .. 20) { mkdir $at or die $!; chdir $at; symlink $ARGV[1], "up"; $at = "in"; }',
  "a socket": "use Socket; socket(my $s, AF_UNIX, SOCK_STREAM, 0); bind($s, pack_sockaddr_un($ARGV[0])) or die $!",
  "a terabyte of holes": 'open(my $f, ">", $ARGV[0]) or die $!; truncate($f, 1 << 40) or die $!',
  "a file with two names": 'open(my $f, ">", "other") or die $!; print $f "{}"; link "other", $ARGV[0] or die $!',
};
const files = ["identity.json", "standing.json", "roster.json", "firstboot.json", "board.json", "provision.json"];
const requests = ["install.json", "reset.json"];

describe.skipIf(skips)("files that the agent leaves cannot stop a first boot", () => {
  const secret = () => join(paths.rootFolder, "secret");
  test.each(Object.entries(junk))(
    "p2, p2-firstboot: %s in the place of any file does not stop a first boot",
    async (_, script) => {
      for (const name of [...files, ...requests]) {
        await rm(join(paths.agentFolder, name), { force: true });
        asAgent(paths.agentFolder, script, name, secret());
        await boot();
        expect(await readdir(paths.runtimeNetwork), name).toEqual(["70-hamlet-static.network"]);
        await isUntouched();
        await rm(paths.runtimeNetwork, { recursive: true });
        await rm(join(paths.agentFolder, name), { recursive: true, force: true });
        await rm(join(paths.agentFolder, "other"), { force: true });
      }
    },
  );

  test.each(Object.entries(junk))(
    "p2-firstboot: %s does not prevent a reset, and root's part of the state stays root's",
    async (_, script) => {
      for (const name of files) asAgent(paths.agentFolder, script, name, join(paths.systemFolder, "shared"));
      await put(paths.resetRequest, "{}");
      await boot();
      expect(await readdir(paths.agentFolder)).toEqual(["board.json"]);
      expect(await readdir(paths.rootFolder)).toEqual([]);
      expect(await readFile(join(paths.systemFolder, "shared"), "utf8")).toBe("canary");
    },
  );

  test("p2-firstboot: a file that is swapped for a link or a pipe during an access is read completely or refused", async () => {
    const again = `open(my $f, ">", "new"); print $f "{}"; close $f; rename "new", "identity.json";
      symlink "/dev/zero", "new"; rename "new", "identity.json"; POSIX::mkfifo("new", 0600); rename "new", "identity.json";`;
    await using _ = await attackOn(paths.agentFolder, again);
    for (let tries = 0; tries < 150; tries++)
      expect(["unprovisioned", "unreadable"]).toContain((await readDeviceState(paths)).phase);
  });

  test("p2-firstboot: a file that grows while it is read is refused, or read as it was before", async () => {
    asAgent(paths.agentFolder, 'open(my $f, ">", "standing.json"); print $f "x"');
    const again = 'open(my $f, ">>", "standing.json"); print $f "x" x 9999; truncate($f, 1) if -s $f > 1 << 19;';
    await using _ = await attackOn(paths.agentFolder, again);
    for (let tries = 0; tries < 150; tries++) {
      const bytes = await readFrom(paths.standing, 1 << 20).catch((error) => {
        expect(error).toMatchObject({ code: "handover.refused", hint: expect.stringContaining("rm -r") });
      });
      expect(bytes?.length ?? 0).toBeLessThanOrEqual(1 << 20);
    }
  });

  test("p2-firstboot: root follows no links that the agent swaps in while root removes folders", async () => {
    const again =
      'mkdir "d"; mkdir "d/e"; open(my $f, ">", "d/e/f"); rename "d/e", "x"; symlink $ARGV[0], "d/e"; rename "d", "y"; symlink $ARGV[0], "d";';
    await using _ = await attackOn(paths.agentFolder, again, paths.systemFolder);
    for (let tries = 0; tries < 100; tries++) await wipeInside(paths.agentFolder).catch(() => {});
    await isUntouched();
  });

  test("p2-firstboot: a copy of the agent's folder contains its files, and no file that it only links to", async () => {
    for (const [index, script] of Object.values(junk).entries()) {
      if (!script.includes("truncate")) asAgent(paths.agentFolder, script, `junk-${index}`, secret());
    }
    asAgent(paths.agentFolder, 'mkdir "kept"; open(my $f, ">", "kept/file"); print $f "own"');
    await using from = (await Folder.open(paths.agentFolder))!;
    await using to = await Folder.make(join(root, "copy"));
    const limits = { entries: 4096, bytes: 1 << 20, depth: 400 };
    await copyFolder(from, to, limits);
    expect(await readFile(join(root, "copy/kept/file"), "utf8")).toBe("own");
    expect((await stat(join(root, "copy/kept/file"))).uid).toBe(agentUser.uid);
    const all = await readdir(join(root, "copy"), { recursive: true, withFileTypes: true });
    expect(all.filter((entry) => !entry.isDirectory()).map(({ name }) => name)).toEqual(["file"]);
  });

  test.each([
    ["a terabyte of holes", "a terabyte of holes"],
    ["folders in folders", "folders in folders"],
  ])("p2-firstboot: copying %s is refused with a code", async (_, kind) => {
    asAgent(paths.agentFolder, junk[kind]!, "junk", secret());
    await using from = (await Folder.open(paths.agentFolder))!;
    await using to = await Folder.make(join(root, "copy"));
    await expect(copyFolder(from, to, { entries: 4096, bytes: 1 << 20, depth: 8 })).rejects.toMatchObject({
      code: "install.tooMuchState",
    });
  });
});

describe.skipIf(skips)("requests by the agent alone", () => {
  const inner = { path: "/dev/nvme0n1", sizeBytes: 1, model: "", partitions: 3 };
  const write = 'open(my $f, ">", $ARGV[0]) or die $!; print $f $ARGV[1]';

  test("p4-wish: the agent alone can neither move nor reset the device, because root does not look for requests in its folder", async () => {
    asAgent(paths.agentFolder, write, "install.json", '{"v":1,"disk":"/dev/nvme0n1"}');
    asAgent(paths.agentFolder, write, "reset.json", '{"v":1}');
    await expect(takeRequestedDisk(paths, async () => inner)).rejects.toMatchObject({ code: "install.refused" });
    await boot();
    await isUntouched();
  });

  test("p4-wish: root ignores a request in its own folder if the file is the agent's or a link to one", async () => {
    asAgent(paths.agentFolder, write, "install.json", '{"v":1,"disk":"/dev/nvme0n1"}');
    await rename(join(paths.agentFolder, "install.json"), paths.installRequest);
    asAgent(paths.agentFolder, write, "update.json", '{"v":1,"folder":"/mnt"}');
    await rename(join(paths.agentFolder, "update.json"), paths.updateRequest);
    expect(await takeUpdateRequest(paths.updateRequest)).toBeUndefined();
    await expect(takeRequestedDisk(paths, async () => inner)).rejects.toMatchObject({ code: "install.refused" });
    await put(paths.resetRequest, "{}");
    await chown(paths.resetRequest, agentUser.uid, agentUser.gid);
    await boot();
    await isUntouched();
    expect(JSON.parse(await readFile(paths.problems, "utf8"))).toMatchObject({ code: "handover.refused" });
  });

  test("p4-wish: root ignores requests while others may write to the folder", async () => {
    await put(paths.installRequest, '{"v":1,"disk":"/dev/nvme0n1"}');
    await chmod(paths.rootFolder, 0o777);
    await expect(takeRequestedDisk(paths, async () => inner)).rejects.toMatchObject({ code: "install.refused" });
  });

  test("p4-wish: root carries out a request that root itself wrote", async () => {
    await put(paths.installRequest, '{"v":1,"disk":"/dev/nvme0n1"}');
    expect(await takeRequestedDisk(paths, async () => inner)).toBe("/dev/nvme0n1");
    await put(paths.updateRequest, requestText.update("/mnt/update"));
    expect(await takeUpdateRequest(paths.updateRequest)).toBe("/mnt/update");
    expect(await takeUpdateRequest(paths.updateRequest)).toBeUndefined();
    await put(paths.updateRequest, '{"v":1,"folder":"relative"}');
    expect(await takeUpdateRequest(paths.updateRequest)).toBeUndefined();
  });
});
