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

test("a state is found again, whole, and what fits another is not taken for it", async () => {
  await keep();
  const state = (await find())!;
  expect(state.savedAt).toBe(now);
  expect(await readFile(join(state.folder, "attic.state"), "utf8")).toBe(`ram of ${fit}`);
  expect(await findState(states, "0a1b2d", now)).toBeUndefined();
});

test("nobody but their owner reads states: they hold keys", async () => {
  await keep();
  expect((await stat(states)).mode & 0o777).toBe(0o700);
  expect((await stat(join(states, fit))).mode & 0o777).toBe(0o700);
  expect((await stat(join(states, fit, "attic.state"))).mode & 0o777).toBe(0o600);
});

test("a state of more than 24 hours, or of the future, is not used", async () => {
  await keep();
  expect(await find(now + maxAgeMs)).toBeDefined();
  expect(await find(now + maxAgeMs + 1)).toBeUndefined();
  expect(await find(now - 1)).toBeUndefined();
});

test("a state that was cut short, changed, lost a file or its description is refused, with what is wrong", async () => {
  const file = (name: string) => join(states, fit, name);
  const damages: [string, () => Promise<unknown>][] = [
    ["attic.state has 3 of 13 bytes", () => truncate(file("attic.state"), 3)],
    ["attic.state has other bytes", () => writeFile(file("attic.state"), `RAM of ${fit}`)],
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
  await refused("made of something else");
});

test("a new state replaces the one that fits the same; one that cannot be written leaves the old one, and nothing else", async () => {
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

test("the three used last stay; what is too old to be used, or was never finished, goes", async () => {
  const at = (name: string, seconds: number) => utimes(join(states, name), seconds, seconds);
  await keep("01", now - maxAgeMs - 1);
  for (const name of ["02", "03", "04"]) await keep(name);
  await Promise.all([at("02", 1), at("03", 2), at("04", 3)]);
  // Used again, 02 is the youngest.
  await findState(states, "02", now);
  await keepState(states, "05", now, async (folder) => {
    await write("x")(folder);
    // As a supervisor that was killed left it, two hours ago.
    await mkdir(join(states, "06.a1B2c3"));
    await utimes(join(states, "06.a1B2c3"), (now - 7_200_000) / 1000, (now - 7_200_000) / 1000);
  });
  expect((await readdir(states)).toSorted()).toEqual(["02", "04", "05"]);
});

test("two that save the same at once both end well, and one of their states stays", async () => {
  await Promise.all([keepState(states, fit, now, write("one")), keepState(states, fit, now, write("two"))]);
  const { folder } = (await find())!;
  expect(["one", "two"]).toContain(await readFile(join(folder, "attic.state"), "utf8"));
  await access(join(folder, "attic.qcow2"));
  expect(await readdir(states)).toEqual([fit]);
});
