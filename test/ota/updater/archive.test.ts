// Updates from one file, as `hamlet ota export -o <name>.tar` writes it. Whatever else is in such a file, a device reads only what a release
// has, within the file's bounds, and unpacks nothing.
import { execFileSync } from "node:child_process";
import { renameSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Entry, file, link, tar } from "../../../image/bundle/archive.ts";
import { objectPath } from "../../../ota/format/names.ts";
import { indexArchive } from "../../../ota/updater/archive-index.ts";
import { type Bench, makeBench } from "./bench.ts";

let bench: Bench;
let stick: string;
beforeEach(async () => {
  bench = await makeBench();
  stick = join(bench.folder, "stick.tar");
  bench.agent.mischief = (_, response) => {
    response.destroy();
    return true;
  };
});
afterEach(() => bench.close());

const byPath = (a: Entry, b: Entry) => (a.path < b.path ? -1 : 1);
function entries(): Entry[] {
  const { files, objects } = bench.repository;
  const chunks = [...objects].map(([sha256, content]) => file(objectPath(sha256), zstdCompressSync(content)));
  const documents = [...files].filter(([path]) => /^(metadata|targets)\//.test(path));
  return [...documents.map(([path, content]) => file(path, content)), ...chunks.toSorted(byPath)];
}
const write = (list: Entry[]) => writeFileSync(stick, Buffer.concat([...tar(list, 0)]));

async function install() {
  bench.agent.reports.length = 0;
  const running = await bench.start();
  bench.namedFolder = stick;
  bench.agent.ask({ kind: "install" });
  return running;
}
async function refusal() {
  const running = await install();
  const { activity } = await running.untilReport((one) => one.activity.phase === "waiting");
  expect(activity).not.toHaveProperty("againAtMs");
  expect(running.restarted()).toBe(false);
  await running.stop();
  return activity.phase === "waiting" ? activity.because : undefined;
}

test("a device installs from one file, by chunks and recipes alone, and keeps the release", async () => {
  bench.publish("1.1", { from: bench.first, edits: [100, 50_000] });
  write(entries());
  const running = await install();
  await running.untilRestart();
  expect(bench.agent.asked).toEqual([]);
  const trial = await bench.start({ kind: "reboot" });
  const { history } = await trial.untilReport((one) => one.history.length > 0);
  expect(history).toMatchObject([{ to: "1.1", outcome: "committed" }]);
  await trial.stop();
});

test.each<[string, (list: Entry[]) => Entry[], string]>([
  ["objects in another order", (list) => list.toReversed(), "not in the order of their names"],
  ["an object twice", (list) => [...list, list.at(-1)!], "not in the order of their names"],
  ["a document twice", (list) => [list[0]!, ...list], "same file twice"],
  ["a path that leads out", (list) => [file("metadata/../../etc/passwd", "x"), ...list], "file that no release has"],
  ["an absolute path", (list) => [file("/etc/passwd", "x"), ...list], "file that no release has"],
  ["a link", (list) => [link("metadata/link", "/etc/passwd"), ...list], "no tar file of plain files"],
])("a file with %s is refused for good", async (_, spoil, why) => {
  bench.publish("1.1");
  write(spoil(entries()));
  expect(await refusal()).toMatchObject({ code: "ota.damaged", message: expect.stringContaining(why) });
});

test("a file that is cut off, no tar file, a link or a pipe is refused for good", async () => {
  bench.publish("1.1");
  write(entries());
  truncateSync(stick, 100_000);
  expect(await refusal()).toMatchObject({ code: "ota.damaged", message: expect.stringContaining("truncated") });
  writeFileSync(stick, "no tar file");
  expect(await refusal()).toMatchObject({ code: "ota.damaged" });
  write(entries());
  renameSync(stick, `${stick}.real`);
  symlinkSync(`${stick}.real`, stick);
  expect(await refusal()).toMatchObject({ code: "update.notThere" });
  renameSync(stick, `${stick}.link`);
  execFileSync("mkfifo", [stick]);
  expect(await refusal()).toMatchObject({ code: "update.notThere" });
});

test("a file that lacks objects costs the installation, and nothing else", async () => {
  bench.publish("1.1");
  const before = bench.slot("root-a");
  write(entries().filter(({ path }) => !/^objects\/[89a-f]/.test(path)));
  expect(await refusal()).toMatchObject({ code: "update.notThere" });
  expect(bench.slot("root-a").equals(before)).toBe(true);
});

test("whatever bytes change, every place that is found lies in the file", async () => {
  bench.publish("1.1");
  const whole = Buffer.concat([...tar(entries(), 0)]);
  const pieces = (bytes: Buffer) => ({
    sizeBytes: bytes.length,
    read: async (offset: number, length: number) => bytes.subarray(offset, offset + length),
  });
  const paths = entries().map(({ path }) => path);
  let indexed = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 4 }),
      fc.array(fc.tuple(fc.nat(10), fc.nat(511), fc.nat(255)), { maxLength: 4 }),
      fc.option(fc.nat(whole.length), { nil: whole.length, freq: 4 }),
      async (changes, inHeads, length) => {
        const bytes = Buffer.from(whole.subarray(0, length));
        for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte;
        for (const [head, at, byte] of inHeads) if (head * 512 + at < bytes.length) bytes[head * 512 + at] = byte;
        const index = await indexArchive(pieces(bytes)).catch((error: unknown) => {
          expect(error).toBeInstanceOf(RangeError);
        });
        if (!index) return;
        indexed += 1;
        for (const path of paths) {
          const place = index.find(path);
          if (place) expect(place.offset + place.length).toBeLessThanOrEqual(bytes.length);
        }
      },
    ),
    { numRuns: 300 },
  );
  expect(indexed).toBeGreaterThan(10);
});
