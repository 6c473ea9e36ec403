// Who is at work on a device, and whether it knows the time, by the files that systemd keeps.
import { mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makePeople } from "../../../agent/rollout/people.ts";
import { makeUnsyncedSince } from "../../../agent/rollout/time.ts";
import { slotsTurn, takeTurn } from "../../../system/turn.ts";

let root = "";
let now = 0;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hamlet-people-"));
  now = 1_000;
  for (const folder of ["sessions", "inhibit", "timesync"])
    await mkdir(join(root, "run/systemd", folder), { recursive: true });
});
afterEach(() => rm(root, { recursive: true, force: true }));
const write = (path: string, text = "") => writeFile(join(root, "run/systemd", path), text);

test("somebody over SSH is at work since this device saw it; a console or a session that ends is not", async () => {
  const people = makePeople(() => now, root);
  expect(await people()).toBeUndefined();
  await write("sessions/1", "UID=0\nREMOTE=0\nCLASS=user\n");
  await write("sessions/2", "UID=0\nREMOTE=1\nCLASS=user\nSTATE=closing\n");
  expect(await people()).toBeUndefined();
  await write("sessions/3", "UID=0\nREMOTE=1\nCLASS=user\nSTATE=active\n");
  expect(await people()).toEqual({ what: "session", sinceMs: 1_000 });
  now = 9_000;
  expect(await people()).toEqual({ what: "session", sinceMs: 1_000 });
  await rm(join(root, "run/systemd/sessions/3"));
  expect(await people()).toBeUndefined();
});

test("a program that blocks the shutdown delays it, one that only delays or blocks sleep does not", async () => {
  const people = makePeople(() => now, root);
  await write("inhibit/1", "WHAT=sleep\nMODE=block\n");
  await write("inhibit/2", "WHAT=shutdown\nMODE=delay\n");
  expect(await people()).toBeUndefined();
  // As systemd-logind 252 writes it.
  await write(
    "inhibit/3",
    "# This is private data. Do not parse.\nWHAT=shutdown:sleep\nMODE=block\nUID=0\nPID=7\nWHO=backup \u001b[2Jof photos\nWHY=it writes\nFIFO=/run/systemd/inhibit/3.ref\n",
  );
  expect(await people()).toEqual({ what: "inhibitor", who: "backup [2Jof photos", sinceMs: 1_000 });
});

test("hamlet install is at work for as long as its process is there", async () => {
  const people = makePeople(() => now, root);
  const turn = join(root, slotsTurn);
  // The updater's own turn is no work of people's.
  const updating = await takeTurn(turn);
  expect(await people()).toBeUndefined();
  await updating!.done();
  const installing = await takeTurn(turn, { doing: "install" });
  expect(await people()).toEqual({ what: "install", sinceMs: 1_000 });
  await installing!.done();
  expect(await people()).toBeUndefined();
});

test("who takes turns with others at work holds a restart back no longer", async () => {
  const people = makePeople(() => now, root);
  await write("inhibit/1", "WHAT=shutdown\nMODE=block\n");
  expect(await people()).toEqual({ what: "inhibitor", sinceMs: 1_000 });
  now = 80_000_000;
  const installing = await takeTurn(join(root, slotsTurn), { doing: "install" });
  await rm(join(root, "run/systemd/inhibit/1"));
  expect(await people()).toEqual({ what: "install", sinceMs: 1_000 });
  await installing!.done();
  expect(await people()).toBeUndefined();
  await write("inhibit/2", "WHAT=shutdown\nMODE=block\n");
  expect(await people()).toEqual({ what: "inhibitor", sinceMs: 80_000_000 });
});

test("a device is out of time since the last answer of a time server, or since it started", async () => {
  const since = makeUnsyncedSince({ now: () => 0, monotonic: () => now }, root);
  now = 5_000;
  expect(await since()).toBe(1_000);
  await write("timesync/synchronized");
  expect(await since()).toBe(5_000);
  now = 8_000;
  expect(await since()).toBe(5_000);
  await utimes(join(root, "run/systemd/timesync/synchronized"), 7, 7);
  expect(await since()).toBe(8_000);
});
