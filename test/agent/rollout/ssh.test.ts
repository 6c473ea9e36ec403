// Who is logged in over SSH on a device whose sshd asks no PAM.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makePeople } from "../../../agent/rollout/people.ts";
import { makeSshWatch } from "../../../agent/rollout/ssh.ts";

let root: string;
let now: number;
let look: () => Promise<boolean>;
const runs = (...processes: number[]) => {
  const group = join(root, "sys/fs/cgroup/system.slice/ssh.service");
  mkdirSync(group, { recursive: true });
  writeFileSync(join(group, "cgroup.procs"), processes.map((process) => `${process}\n`).join(""));
};
const after = (ms: number) => {
  now += ms;
  return look();
};

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "hamlet-ssh-"));
  now = 0;
  look = makeSshWatch(() => now, root);
});
afterEach(() => rmSync(root, { recursive: true }));

test("a device without sshd, or with nothing but the server, has nobody logged in", async () => {
  expect(await look()).toBe(false);
  runs(400);
  expect(await look()).toBe(false);
  expect(await after(3600_000)).toBe(false);
});

test("a connection counts once it is older than sshd lets anybody be who does not log in", async () => {
  runs(400);
  await look();
  runs(400, 900, 901);
  expect(await after(1_000)).toBe(false);
  expect(await after(120_000)).toBe(false);
  expect(await after(1)).toBe(true);
  runs(400);
  expect(await after(1_000)).toBe(false);
});

test("strangers who connect again and again do not count", async () => {
  runs(400);
  await look();
  for (let process = 1_000; process < 1_100; process += 2) {
    runs(400, process, process + 1);
    expect(await after(60_000)).toBe(false);
  }
});

test("whoever is logged in is at work, since then", async () => {
  const people = makePeople(() => now, root);
  runs(400, 900);
  expect(await people()).toBeUndefined();
  now += 121_000;
  expect(await people()).toEqual({ what: "session", sinceMs: 121_000 });
  runs(400);
  expect(await people()).toBeUndefined();
});
