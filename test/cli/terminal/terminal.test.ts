// Content of an image, a drive or a device reaches the terminal as plain text only.
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeDrive, drivesTable } from "../../../cli/commands/card/drives.ts";
import { makeOutput } from "../../../cli/terminal/output.ts";
import type { Drive } from "../../../image/flash/drives.ts";
import { makeDisk } from "../../image/disk/disk.ts";

const evil = "\x1b]0;gone\x07\x1b[2J\x9b31m\u202eevil\r\nprovisioned  no";
/** Every character that a terminal would not show as text, except line ends. */
const orders = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu;
const cliFolder = fileURLToPath(new URL("../../../cli", import.meta.url));
const hamlet = (...argv: string[]) =>
  spawnSync(process.execPath, [join(cliFolder, "hamlet.ts"), ...argv], {
    encoding: "utf8",
    env: { ...process.env, HOME: "/tmp", HAMLET_DEBUG: "no" },
  });
let folder = "";
let image = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-terminal-"));
  image = join(folder, "disk.img");
  await makeDisk(image, { image: { version: evil, rootHash: evil, parts: { [evil]: 1 } } });
});
afterAll(() => rm(folder, { recursive: true }));

test.each([
  ["inspect", 0],
  ["inspect --json", 0],
  ["inspect --licences", 0],
  ["diff", 0],
  ["diff --json", 0],
])("k1-image-fuzz: image %s shows escape sequences in an image as text", (words, exitCode) => {
  const paths = words.startsWith("diff") ? [image, image] : [image];
  const [command = "", ...flags] = words.split(" ");
  const { status, stdout, stderr } = hamlet("image", command, ...paths, ...flags);
  expect([status, stderr.match(orders)?.filter((one) => one !== "\n") ?? []]).toEqual([exitCode, []]);
  expect(stdout.match(orders)?.filter((one) => one !== "\n") ?? []).toEqual([]);
  expect(stdout.split("\n").filter((line) => line.startsWith("provisioned")).length).toBe(
    words.startsWith("inspect") && !words.includes("json") ? 1 : 0,
  );
  if (words === "inspect --json") expect(JSON.parse(stdout)).toMatchObject({ version: evil, parts: { [evil]: 1 } });
});

test("k1-image-fuzz: an error that quotes a file or the command line shows escape sequences as text", async () => {
  await makeDisk(image, { image: { board: evil.slice(0, 32) } });
  for (const argv of [
    ["image", "inspect", image],
    [evil],
    ["image", "inspect", join(folder, evil)],
    ["flash", image, evil],
  ]) {
    const { status, stdout, stderr } = hamlet(...argv);
    expect(status).not.toBe(0);
    expect(stdout).toBe("");
    expect(stderr.match(orders)?.filter((one) => one !== "\n") ?? []).toEqual([]);
    // Only the first line begins like one of ours.
    expect(stderr.split("\n").filter((line) => line.startsWith("provisioned"))).toEqual([]);
  }
});

test("k1-image-fuzz: escape sequences in a drive's model name are listed as text", () => {
  const drive: Drive = {
    ...{ path: "/dev/sdb", sizeBytes: 8e9, model: evil, bus: "usb", isRemovable: true },
    ...{ contents: [`sdb1 vfat ${evil}`], marks: [], nodes: [] },
  };
  const written: string[] = [];
  const stream = new Writable({
    write(text, _, done) {
      written.push(String(text));
      done();
    },
  });
  const { print } = makeOutput(stream);
  print(...drivesTable([drive, { ...drive, model: "plain" }]), describeDrive(drive));
  const shown = written.join("");
  expect(shown.match(orders)).toEqual(["\n", "\n", "\n"]);
  const [first = "", second = ""] = shown.split("\n");
  expect(second.indexOf("sdb1")).toBe(first.indexOf("sdb1"));
});

test("k1-image-fuzz: only a few files of cli/ write to the terminal", async () => {
  const doors = [
    "terminal/output.ts",
    // A device's own console and programs, for which the lab's terminal is only a window.
    ...["commands/lab/console.ts", "commands/lab/exec.ts"],
    // A redrawn table and an archive, which control their own output.
    ...["commands/device/status.ts", "commands/lab/watch.ts", "commands/device/logs.ts"],
    // What a built program prints under a Node that is too old to run it.
    "package/bundle.ts",
  ];
  const ways = /console\.(log|error|info|warn)|process\.std(out|err)\.write|\.pipe\(process\.std/;
  const writers: string[] = [];
  for (const name of (await readdir(cliFolder, { recursive: true })).filter((one) => one.endsWith(".ts"))) {
    const source = (await readFile(join(cliFolder, name), "utf8"))
      .replace(/^if \(import\.meta\.main\)[\s\S]*/m, "")
      // Output of a program on a device passes through printableStream.
      .replace("told.pipe(process.stderr", "");
    if (ways.test(source)) writers.push(name);
  }
  expect(writers.sort()).toEqual(doors.sort());
});
