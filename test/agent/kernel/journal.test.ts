import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Warnings } from "../../../agent/health/warnings.ts";
import type { Change } from "../../../agent/kernel/changes.ts";
import { Journal } from "../../../agent/kernel/journal.ts";
import { type Kernel, openKernel } from "../../../agent/kernel/kernel.ts";
import type { Run } from "../../../system/command.ts";
import { silentLog } from "../../../system/log.ts";

const route = "unreachable fd12:3456:789a::/48 metric 4096";
/** A kernel with values and a set of interfaces, routes and tables, behind the real commands. */
class World {
  readonly values = new Map([
    ["kernel.random.boot_id", "boot-1"],
    ["net.a", "1"],
    ["net.b", "4096\t1\t2"],
  ]);
  readonly made = new Set<string>();
  readonly refused = new Set<string>();
  readonly kernel: Kernel;
  constructor() {
    const run: Run = async (argv) => {
      const line = argv.join(" ");
      if (this.refused.has(line)) throw new Error("not permitted");
      const [, made = ""] = /(hamlet0|unreachable .*|inet hamlet)$/.exec(line) ?? [];
      if (line.startsWith("ip -6 route show root")) return this.made.has(route) ? `${route} pref medium\n` : "";
      if (!this.made.has(made)) throw new Error(`${line}: not there`);
      if (/ (del|delete) /.test(line)) this.made.delete(made);
      return "";
    };
    this.kernel = openKernel(run, {
      read: async (key) => this.values.get(key),
      isReadOnly: async () => false,
      write: async (key, value) => void this.values.set(key, value),
    });
  }
  state() {
    return { values: Object.fromEntries(this.values), made: [...this.made] };
  }
}

let folder: string;
let warnings: Warnings;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-journal-"));
  warnings = new Warnings({ now: () => 0, monotonic: () => 0 }, silentLog);
});
afterEach(() => rm(folder, { recursive: true }));
const path = () => join(folder, "kernel.json");
const open = (world: World, log = silentLog) => Journal.open(path(), world.kernel, warnings, log);
/** Records a value and sets it. */
async function set(world: World, journal: Journal, owner: string, key: string, is: string) {
  await journal.record([{ kind: "sysctl", owner, key, was: world.values.get(key)!, is }]);
  world.values.set(key, is);
}

test("settings, interfaces, routes and tables are undone by the next run, and the file goes when it is empty", async () => {
  const world = new World();
  const before = world.state();
  const first = await open(world);
  await set(world, first, "tuning", "net.a", "2");
  for (const [kind, key] of [
    ["interface", "hamlet0"],
    ["route", route],
    ["table", "inet hamlet"],
  ] as const) {
    await first.recordMade("mesh", { kind, key }, silentLog);
    world.made.add(key);
  }
  const next = await open(world);
  expect(next.changes("mesh").map(({ key }) => key)).toEqual(["hamlet0", route, "inet hamlet"]);
  expect(await next.release("mesh", ({ kind }) => kind === "interface")).toEqual([]);
  expect([...world.made]).toEqual([route, "inet hamlet"]);
  await next.release("mesh");
  await next.release("tuning");
  expect(world.state()).toEqual(before);
  expect(await readdir(folder)).toEqual([]);
});

test("in whatever order owners set and release, crash and start again, the kernel ends as it was", async () => {
  const owner = fc.constantFrom("tuning", "gateway", "relay");
  const key = fc.constantFrom("net.a", "net.b");
  const action = fc.oneof(
    fc.record({ do: fc.constant("set" as const), owner, key, is: fc.constantFrom("5", "6", "7") }),
    fc.record({ do: fc.constant("recordOnly" as const), owner, key, is: fc.constant("8") }),
    fc.record({ do: fc.constant("release" as const), owner }),
    fc.record({ do: fc.constant("restart" as const) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 12 }), async (actions) => {
      await rm(path(), { force: true });
      const world = new World();
      const before = world.state();
      let journal = await open(world);
      for (const act of actions) {
        if (act.do === "release") await journal.release(act.owner);
        else if (act.do === "restart") journal = await open(world);
        // An owner sets a key once: it releases it before it sets another value, or finds it as it is.
        else if (!journal.changes(act.owner).some(({ key: taken }) => taken === act.key)) {
          if (world.values.get(act.key) === act.is) continue;
          if (act.do === "set") await set(world, journal, act.owner, act.key, act.is);
          else {
            // The crash comes before the kernel is changed.
            const was = world.values.get(act.key)!;
            await journal.record([{ kind: "sysctl", owner: act.owner, key: act.key, was, is: act.is }]);
            journal = await open(world);
            await journal.release(act.owner);
          }
        }
      }
      for (const one of ["gateway", "tuning", "relay"]) await journal.release(one);
      expect(world.state()).toEqual(before);
      expect(await readdir(folder)).toEqual([]);
    }),
    { numRuns: 150 },
  );
});

test("a value that another program has set since stays, and so does what it removed", async () => {
  const world = new World();
  const journal = await open(world);
  await set(world, journal, "tuning", "net.a", "2");
  await journal.recordMade("firewall", { kind: "table", key: "inet hamlet" }, silentLog);
  world.values.set("net.a", "3");
  expect(await journal.release("tuning")).toEqual([]);
  expect(await journal.release("firewall")).toEqual([]);
  expect(world.values.get("net.a")).toBe("3");
});

test("what cannot be undone stays in the journal for the next time", async () => {
  const world = new World();
  const journal = await open(world);
  await journal.recordMade("firewall", { kind: "table", key: "inet hamlet" }, silentLog);
  world.made.add("inet hamlet");
  world.refused.add("nft delete table inet hamlet");
  expect(await journal.release("firewall")).toMatchObject([{ because: "not permitted", change: { kind: "table" } }]);
  world.refused.clear();
  expect(await (await open(world)).release("firewall")).toEqual([]);
  expect([...world.made]).toEqual([]);
});

test("while its folder cannot be written, changes are undone all the same, and the next save writes what is left", async () => {
  const world = new World();
  const said: string[] = [];
  const journal = await open(world, { ...silentLog, warn: (line) => said.push(line) });
  await set(world, journal, "tuning", "net.a", "2");
  await set(world, journal, "gateway", "net.b", "9");
  // A file in the folder's place stops even root.
  await rm(folder, { recursive: true });
  await writeFile(folder, "");
  expect(await journal.release("tuning")).toEqual([]);
  expect([world.values.get("net.a"), journal.changes("tuning")]).toEqual(["1", []]);
  expect(await journal.release("gateway")).toEqual([]);
  expect(world.values.get("net.b")).toBe("4096\t1\t2");
  expect(said).toEqual([
    expect.stringContaining("cannot write down what was undone for tuning"),
    expect.stringContaining("cannot write down what was undone for gateway"),
  ]);
  // The disk has room again, and holds what it held before.
  await rm(folder);
  await mkdir(folder);
  const stale = [{ kind: "sysctl", owner: "tuning", key: "net.a", was: "1", is: "2" }];
  await writeFile(path(), JSON.stringify({ v: 1, bootId: "boot-1", changes: stale }));
  expect(await journal.release("tuning")).toEqual([]);
  expect(await readdir(folder)).toEqual([]);
  expect(said).toHaveLength(2);
});

test("another boot empties the journal, and a damaged one is a warning", async () => {
  const world = new World();
  await set(world, await open(world), "tuning", "net.a", "2");
  world.values.set("kernel.random.boot_id", "boot-2");
  expect((await open(world)).changes("tuning")).toEqual([]);
  expect(warnings.list()).toEqual([]);
  await writeFile(path(), '{"v":1,"bootId":"boot-2","cha');
  expect((await open(world)).changes("tuning")).toEqual([]);
  expect(warnings.list()).toMatchObject([{ code: "tuning.failed" }]);
});

test("nothing but our own kinds of settings is taken from the file", async () => {
  const world = new World();
  const made = { owner: "mesh", was: "absent", is: "present" };
  for (const change of [
    { kind: "interface", key: "eth0;reboot", ...made },
    { kind: "route", key: "default via fe80::1", ...made },
    { kind: "table", key: "inet hamlet -f", ...made },
    { kind: "sysctl", key: "vm.swappiness", owner: "mesh", was: "1", is: "2" },
  ] as Change[]) {
    await writeFile(path(), JSON.stringify({ v: 1, bootId: "boot-1", changes: [change] }));
    expect((await open(world)).changes("mesh"), change.key).toEqual([]);
  }
});
