// A build takes the locked packages as long as the cache or the mirror has them; otherwise it takes the newest and says so.
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { boardNamed } from "../../../../image/boards.ts";
import { debPath, forgetOldDebs } from "../../../../image/bundle/debian/deb-cache.ts";
import { mirrorSources, mirrorState } from "../../../../image/bundle/debian/mirror-state.ts";
import { resolveLock } from "../../../../image/bundle/debian/newest.ts";
import { pinPackages } from "../../../../image/bundle/debian/pin.ts";
import { lockPath, packagesOf } from "../../../../image/bundle/lock/lock.ts";
import { writeJson } from "../../../../system/files.ts";
import { silentProgress } from "../../../../system/progress.ts";
import { FakeMirror, sha256 } from "./fake-mirror.ts";

const nuc = boardNamed("nuc");
let project = "";
let mirror = new FakeMirror();

beforeEach(async () => {
  project = await mkdtemp(join(tmpdir(), "hamlet-settle-"));
  process.env["XDG_CACHE_HOME"] = join(project, "cache");
  process.env["HAMLET_DEBIAN_MIRROR"] = "http://me:se%20cret@own.example/debian";
  mirror = new FakeMirror();
  await mkdir(join(project, "node_modules/node/bin"), { recursive: true });
  await writeFile(join(project, "node_modules/node/bin/node"), "a runtime");
  await writeLock();
});
afterEach(() => rm(project, { recursive: true, force: true }));

async function writeLock(): Promise<void> {
  const state = await mirrorState(await mirrorSources(mirror.run), mirror.run);
  await writeJson(lockPath(project, "amd64"), await resolveLock(nuc, project, state, mirror.run));
}

const settle = (isLockedOnly = false) =>
  pinPackages(nuc, { projectFolder: project, isLockedOnly, hasBase: async () => false }, mirror.run, silentProgress);

test("a build takes locked packages that the mirror still has, by sha256, and relocks nothing", async () => {
  const { lock, relocked } = await settle(true);
  expect(relocked).toEqual([]);
  expect(lock.epochS).toBe(Date.parse("2026-07-11T10:16:37Z") / 1000);
  const kept = await readdir(join(project, "cache/hamlet/deb"));
  expect(kept.sort()).toEqual(
    Object.values(packagesOf(lock))
      .map((one) => one.sha256)
      .sort(),
  );
});

test("cached packages are enough after the mirror has moved on, even without a network", async () => {
  await settle();
  mirror.supersede("libc6", "2.0");
  expect(await settle(true)).toMatchObject({ relocked: [], lock: { installed: { libc6: { version: "1.0" } } } });
  mirror.isUp = false;
  expect((await settle(true)).relocked).toEqual([]);
});

test("a build takes the newest version if the locked one is gone, and names the difference", async () => {
  mirror.supersede("libc6", "2.0");
  const { lock, relocked } = await settle();
  expect(relocked).toEqual([{ kind: "package", name: "libc6", locked: "1.0", taken: "2.0" }]);
  expect(lock.installed["libc6"]?.version).toBe("2.0");
  expect(lock.epochS).toBe(Date.parse("2026-07-12T10:00:00Z") / 1000);
  // Settling again gives the same lock, field for field: the lock determines the image's bytes.
  expect(JSON.stringify((await settle()).lock)).toBe(JSON.stringify(lock));
});

test("--locked fails if the locked version is gone, names the difference and fetches nothing newer", async () => {
  mirror.supersede("libc6", "2.0");
  await expect(settle(true)).rejects.toMatchObject({
    code: "build.relocked",
    exitCode: 1,
    message: expect.stringContaining("libc6 1.0 -> 2.0"),
  });
  expect(await readdir(join(project, "cache/hamlet/deb"))).not.toContain(sha256("libc6 2.0"));
});

test("a tool of another version counts as relocked, because it affects the bytes", async () => {
  mirror.tools["fsck.erofs -V"] = "fsck.erofs 1.8";
  const { lock, relocked } = await settle();
  expect(relocked).toEqual([{ kind: "tool", name: "erofs-utils", locked: "1.5", taken: "1.8" }]);
  expect(lock.tools["erofs-utils"]).toBe("1.8");
  expect(lock.installed["libc6"]?.version).toBe("1.0");
  await expect(settle(true)).rejects.toMatchObject({ code: "build.relocked" });
});

test("a build refuses a mirror that serves other bytes under a locked name", async () => {
  mirror.pool.set("pool/main/l/libc6/libc6_1.0_amd64.deb", "libc6 1.0, with a surprise");
  await expect(settle()).rejects.toMatchObject({ code: "build.failed" });
});

test("a rebuilt package of the same version is recognized by its digest", async () => {
  mirror.publish("libc6", "1.0", "libc6 1.0, again");
  const { relocked } = await settle();
  expect(relocked).toHaveLength(1);
  expect(relocked[0]).toMatchObject({ name: "libc6", locked: expect.stringMatching(/^1\.0 \([0-9a-f]{8}\)$/) });
});

test("without a network, a build uses the newest packages of an earlier build and calls them stale", async () => {
  mirror.supersede("libc6", "2.0");
  await settle();
  mirror.isUp = false;
  const { lock, staleBecause } = await settle();
  expect(staleBecause).toMatchObject({ code: "build.failed" });
  expect(lock.installed["libc6"]?.version).toBe("2.0");
});

test("without a network and a cache, the build fails and says what to do", async () => {
  mirror.isUp = false;
  mirror.commands = [];
  await expect(settle()).rejects.toMatchObject({ code: "build.failed", hint: expect.stringContaining("network") });
  // The build does not ask an unreachable mirror again for each package.
  expect(JSON.stringify(mirror.commands)).not.toContain(".deb");
});

test("a lock that lacks a package asked for now is completed", async () => {
  const state = await mirrorState(await mirrorSources(mirror.run), mirror.run);
  const lock = await resolveLock(nuc, project, state, mirror.run);
  const installed = Object.fromEntries(Object.entries(lock.installed).filter(([name]) => name !== "ethtool"));
  const asked = { ...lock.asked, installed: lock.asked.installed.filter((name) => name !== "ethtool") };
  await writeJson(lockPath(project, "amd64"), { ...lock, asked, installed });
  expect((await settle()).relocked).toEqual([{ kind: "package", name: "ethtool", taken: "1.0" }]);
});

test.each([
  ["missing", undefined],
  ["truncated", '{"format":1,'],
  ["of a newer format", '{"format":2}'],
])("a lock that is %s gives a coded error that names the command", async (_, text) => {
  if (text === undefined) await rm(lockPath(project, "amd64"));
  else await writeFile(lockPath(project, "amd64"), text);
  await expect(settle()).rejects.toMatchObject({ code: "lock.invalid", hint: expect.stringContaining("image lock") });
});

test("a mirror's password appears in no command line and no name in the cache", async () => {
  mirror.supersede("libc6", "2.0");
  const { lock } = await settle();
  const written = [mirror.commands, await readdir(join(project, "cache"), { recursive: true }), lock];
  expect(JSON.stringify(written)).not.toMatch(/se(%20| )cret/);
  expect(mirror.commands.length).toBeGreaterThan(10);
});

test("a package damaged in the cache is fetched again, and counts as gone if the mirror no longer has it", async () => {
  const { lock } = await settle();
  const libc = lock.installed["libc6"]!;
  await writeFile(debPath(libc.sha256), "bit rot");
  expect((await settle(true)).relocked).toEqual([]);
  expect(await readFile(debPath(libc.sha256), "utf8")).toBe("libc6 1.0");
  await writeFile(debPath(libc.sha256), "");
  mirror.supersede("libc6", "2.0");
  expect((await settle()).relocked).toHaveLength(1);
});

test("if the index names a file that cannot be fetched, the error carries the fetcher's own message", async () => {
  mirror.supersede("libc6", "2.0");
  mirror.pool.clear();
  await expect(settle()).rejects.toMatchObject({ code: "build.failed", cause: { code: "command.failed" } });
});

test("a package that no build has used for a year is deleted; one in use stays", async () => {
  const { lock } = await settle();
  const [old, used] = [lock.installed["libc6"]!, lock.installed["udev"]!];
  const now = Date.now();
  await utimes(debPath(old.sha256), 0, (now - 366 * 24 * 3_600_000) / 1000);
  await utimes(debPath(used.sha256), 0, (now - 364 * 24 * 3_600_000) / 1000);
  await forgetOldDebs(now);
  const kept = await readdir(join(project, "cache/hamlet/deb"));
  expect([kept.includes(old.sha256), kept.includes(used.sha256)]).toEqual([false, true]);
});
