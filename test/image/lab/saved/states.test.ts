import {
  access,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findState, keepState, maxAgeMs } from "../../../../image/lab/saved/states.ts";

const [fit, now] = ["0a1b2c", 1_790_000_000_000];
let states = "";
beforeEach(async () => {
  states = join(await mkdtemp(join(tmpdir(), "hamlet-states-")), "lab");
});
afterEach(() => rm(join(states, ".."), { recursive: true }));

const write = (content: string) => async (folder: string) => {
  await writeFile(join(folder, "attic.state"), content, { mode: 0o600 });
  await writeFile(join(folder, "attic.qcow2"), "disk");
};
const keep = (name = fit, at = now) => keepState(states, name, at, write(`ram of ${name}`));
const find = (at = now + 1000) => findState(states, fit, at);
const refused = (message: string) =>
  expect(find()).rejects.toMatchObject({ code: "lab.stateRefused", message: expect.stringContaining(message) });

test("a complete state is found again, and only for the machines that it fits", async () => {
  await keep();
  const state = (await find())!;
  expect(state.savedAt).toBe(now);
  expect(await readFile(join(state.folder, "attic.state"), "utf8")).toBe(`ram of ${fit}`);
  expect(await findState(states, "0a1b2d", now)).toBeUndefined();
});

test("only their owner may read states, because they hold keys", async () => {
  await keep();
  expect((await stat(states)).mode & 0o777).toBe(0o700);
  expect((await stat(join(states, fit))).mode & 0o777).toBe(0o700);
  expect((await stat(join(states, fit, "attic.state"))).mode & 0o777).toBe(0o600);
});

test("a state older than 24 hours or from the future is not used", async () => {
  await keep();
  expect(await find(now + maxAgeMs)).toBeDefined();
  expect(await find(now + maxAgeMs + 1)).toBeUndefined();
  expect(await find(now - 1)).toBeUndefined();
});

test("a state that is truncated, changed or lacks a file or its description is refused, with the reason", async () => {
  const file = (name: string) => join(states, fit, name);
  const damages: [string, () => Promise<unknown>][] = [
    ["attic.state has 3 of 13 bytes", () => truncate(file("attic.state"), 3)],
    ["attic.state has changed", () => writeFile(file("attic.state"), `RAM of ${fit}`)],
    ["attic.qcow2 cannot be read", () => rm(file("attic.qcow2"))],
    ["state.json cannot be read", () => truncate(file("state.json"), 10)],
    ["it has no state.json", () => rm(file("state.json"))],
  ];
  for (const [message, damage] of damages) {
    await keep();
    await damage();
    await refused(message);
  }
  await keep("ffff");
  await rm(join(states, fit), { recursive: true, force: true });
  await rename(join(states, "ffff"), join(states, fit));
  await refused("belongs to another lab");
});

test("a new state replaces the one for the same machines; a failed save leaves only the old one", async () => {
  await keep();
  await keepState(states, fit, now + 5, write("newer"));
  expect((await find())!.savedAt).toBe(now + 5);
  const full = Object.assign(new Error("write"), { code: "ENOSPC" });
  const failing = async (folder: string) => {
    await write("half")(folder);
    throw full;
  };
  await expect(keepState(states, fit, now + 9, failing)).rejects.toMatchObject({ code: "file.full" });
  expect((await find())!.savedAt).toBe(now + 5);
  await expect(keepState(states, "beef", now, failing)).rejects.toMatchObject({ code: "file.full" });
  expect(await readdir(states)).toEqual([fit]);
});

test("the three states used last stay; expired and unfinished ones are deleted", async () => {
  const at = (name: string, seconds: number) => utimes(join(states, name), seconds, seconds);
  await keep("01", now - maxAgeMs - 1);
  for (const name of ["02", "03", "04"]) await keep(name);
  await Promise.all([at("02", 1), at("03", 2), at("04", 3)]);
  // After being used again, 02 is the most recent.
  await findState(states, "02", now);
  await keepState(states, "05", now, async (folder) => {
    await write("x")(folder);
    // Left by a supervisor that was killed two hours ago.
    await mkdir(join(states, "06.a1B2c3"));
    await utimes(join(states, "06.a1B2c3"), (now - 7_200_000) / 1000, (now - 7_200_000) / 1000);
  });
  expect((await readdir(states)).toSorted()).toEqual(["02", "04", "05"]);
});

test("two saves of the same machines at once both succeed, and one of the states stays", async () => {
  await Promise.all([keepState(states, fit, now, write("one")), keepState(states, fit, now, write("two"))]);
  const { folder } = (await find())!;
  expect(["one", "two"]).toContain(await readFile(join(folder, "attic.state"), "utf8"));
  await access(join(folder, "attic.qcow2"));
  expect(await readdir(states)).toEqual([fit]);
});
