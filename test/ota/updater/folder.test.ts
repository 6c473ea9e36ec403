// Updates from a folder, as `hamlet ota export` writes one: no repository answers, and the device may think that it is 1970.
import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { objectPath } from "../../../ota/format/names.ts";
import { type Bench, makeBench } from "./bench.ts";
import { board } from "./repository.ts";

let bench: Bench;
let stick: string;
beforeEach(async () => {
  bench = await makeBench();
  stick = join(bench.folder, "stick");
  bench.parts = { clock: { now: () => 5_000, monotonic: () => performance.now() * 100 } };
  bench.agent.mischief = (_, response) => {
    response.destroy();
    return true;
  };
});
afterEach(() => bench.close());

/** Everything that was published so far. */
function exportAll(): void {
  const put = (path: string, content: Buffer) => {
    mkdirSync(dirname(join(stick, path)), { recursive: true });
    writeFileSync(join(stick, path), content);
  };
  for (const [path, content] of bench.repository.files) put(path, content);
  for (const [sha256, content] of bench.repository.objects) put(objectPath(sha256), zstdCompressSync(content));
}

async function install(folder = stick) {
  // Not those of the updater before.
  bench.agent.reports.length = 0;
  const running = await bench.start();
  bench.namedFolder = folder;
  bench.agent.ask({ kind: "install" });
  return running;
}
async function refused(running: Awaited<ReturnType<typeof install>>) {
  const { activity } = await running.untilReport((one) => one.activity.phase === "waiting");
  expect(activity).not.toHaveProperty("againAtMs");
  expect(running.restarted()).toBe(false);
  expect(readdirSync(bench.boot.folder)).toContain("hamlet_1.0.efi");
  await running.stop();
  return activity.phase === "waiting" ? activity.because : undefined;
}

test("a device without a network and without a clock installs from a folder, tries the release and keeps it", async () => {
  bench.publish("1.1", { from: bench.first });
  exportAll();
  const running = await install();
  await running.untilRestart();
  expect(bench.agent.asked).toEqual([]);
  const trial = await bench.start({ kind: "reboot" });
  const { history } = await trial.untilReport((one) => one.history.length > 0);
  expect(history).toMatchObject([{ from: "1.0", to: "1.1", outcome: "committed" }]);
});

test("a recipe with packed steps needs no pack: the folder has every chunk", async () => {
  bench.publish("1.1", { from: bench.first, edits: [100, 50_000] });
  exportAll();
  const running = await install();
  await running.untilRestart();
  expect(await bench.start({ kind: "reboot" })).toMatchObject({ slot: "b", version: "1.1" });
});

test("a folder with one version that is not called newest will do", async () => {
  bench.publish("1.1");
  exportAll();
  const folder = join(stick, "targets", board);
  for (const name of readdirSync(folder)) if (!name.endsWith(".1.1.json")) rmSync(join(folder, name));
  const running = await install();
  await running.untilRestart();
  expect(await bench.start({ kind: "reboot" })).toMatchObject({ version: "1.1" });
});

test("without a clock only what expired before this release was built has expired; with one, all that has", async () => {
  // The bench's release is of September 2020.
  bench.repository.expire("2020-01-01T00:00:00Z");
  bench.publish("1.1");
  exportAll();
  expect(await refused(await install())).toMatchObject({ code: "update.expired" });
  bench.repository.expire("2022-01-01T00:00:00Z");
  bench.repository.writeTargets();
  bench.publish("1.2", { builtS: 1_610_000_000 });
  exportAll();
  bench.isClockSet = true;
  bench.parts = { clock: { now: Date.now, monotonic: () => performance.now() * 100 } };
  expect(await refused(await install())).toMatchObject({ code: "update.expired" });
  bench.isClockSet = false;
  const running = await install();
  await running.untilRestart();
  expect(await bench.start({ kind: "reboot" })).toMatchObject({ version: "1.2" });
});

test("a folder that is missing, empty, of another board or without anything newer is refused for good", async () => {
  expect(await refused(await install(join(stick, "nowhere")))).toMatchObject({ code: "update.notThere" });
  mkdirSync(stick);
  expect(await refused(await install())).toMatchObject({ code: "update.notThere" });
  bench.publish("1.1");
  exportAll();
  renameSync(join(stick, "targets", board), join(stick, "targets", "rpi4"));
  const because = await refused(await install());
  expect(because).toMatchObject({ code: "update.wrongBoard", message: expect.stringContaining("rpi4") });
});

test("a request that no root has left is refused", async () => {
  const running = await bench.start();
  bench.agent.ask({ kind: "install" });
  expect(await refused(running)).toMatchObject({
    code: "update.notThere",
    message: "nobody has named a folder or file to update from",
  });
});

test("a release that is not newer ends the request without an installation", async () => {
  exportAll();
  const running = await install();
  const { newest } = await running.untilReport((one) => one.checkedAtMs === 5_000 && one.activity.phase === "idle");
  expect(newest).toBe("1.0");
});

test("metadata older than what the device has seen is refused", async () => {
  bench.publish("1.1");
  exportAll();
  bench.publish("1.2");
  bench.agent.mischief = () => false;
  const first = await bench.start();
  bench.agent.ask({ kind: "check" });
  await first.untilReport(({ newest }) => newest === "1.2");
  await first.stop();
  expect(await refused(await install())).toMatchObject({ code: "update.badMetadata" });
});

test.each<[string, (path: string) => void]>([
  ["is missing", (path) => rmSync(path)],
  [
    "is a link",
    (path) => {
      renameSync(path, `${path}.real`);
      symlinkSync(`${path}.real`, path);
    },
  ],
  [
    "has a wrong byte",
    (path) => {
      const bytes = readFileSync(path);
      bytes[bytes.length >> 1]! ^= 1;
      writeFileSync(path, bytes);
    },
  ],
  ["has bytes behind its end", (path) => writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(9)]))],
  [
    "is a pipe",
    (path) => {
      rmSync(path);
      execFileSync("mkfifo", [path]);
    },
  ],
  [
    "is a folder",
    (path) => {
      rmSync(path);
      mkdirSync(path);
    },
  ],
  ["claims a terabyte", (path) => truncateSync(path, 2 ** 40)],
  ["is a bomb", (path) => writeFileSync(path, zstdCompressSync(Buffer.alloc(64 << 20)))],
])("a chunk that %s leads to no restart, and nothing is tried again by itself", async (_, spoil) => {
  const next = bench.publish("1.1");
  exportAll();
  const [digest] = [...bench.repository.objects].find(([, content]) => next.root.includes(content)) ?? [];
  spoil(join(stick, objectPath(digest!)));
  const because = await refused(await install());
  expect(["ota.damaged", "update.notThere"]).toContain(because?.code);
});

test("metadata that was changed on the stick is refused", async () => {
  bench.publish("1.1");
  exportAll();
  const path = join(stick, "metadata/timestamp.json");
  writeFileSync(path, readFileSync(path, "utf8").replace('"version":2', '"version":3'));
  expect(await refused(await install())).toMatchObject({ code: "update.badMetadata" });
});

test("after a refused folder the device asks its repository again", async () => {
  bench.publish("1.1");
  expect(await refused(await install())).toMatchObject({ code: "update.notThere" });
  bench.agent.mischief = () => false;
  const running = await bench.start();
  bench.agent.ask({ kind: "now" });
  await running.untilRestart();
});
