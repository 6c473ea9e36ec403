// Nothing that an image, a drive or a device holds reaches the terminal other than as text.
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
/** All that a terminal would not show as a letter, but for the ends of lines. */
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
])("k1-image-fuzz: image %s shows an image whose words are orders to the terminal, as text", (words, exitCode) => {
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

test("k1-image-fuzz: so does an error that quotes what is in a file, or the words that were typed", async () => {
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
    // No line but the first begins as one of ours does.
    expect(stderr.split("\n").filter((line) => line.startsWith("provisioned"))).toEqual([]);
  }
});

test("k1-image-fuzz: a drive whose maker wrote orders into its model is listed as text", () => {
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

test("k1-image-fuzz: the command line writes to the terminal by one door", async () => {
  // A console is the device's own; a passphrase has no echo; a redrawn table and an archive say themselves what they write.
  const doors = ["output.ts", "lab-console.ts", "lab-exec.ts", "passphrase.ts", "lab-watch.ts", "logs.ts", "status.ts"];
  const ways = /console\.(log|error|info|warn)|process\.std(out|err)\.write|\.pipe\(process\.std/;
  for (const name of (await readdir(cliFolder)).filter((one) => one.endsWith(".ts") && !doors.includes(one))) {
    const source = (await readFile(join(cliFolder, name), "utf8")).replaceAll(
      /^if \(import\.meta\.main\)[\s\S]*/gm,
      "",
    );
    // What a program on a device says passes through printableStream.
    const rest = name === "device.ts" ? source.replace("told.pipe(process.stderr", "") : source;
    expect(ways.exec(rest)?.[0], name).toBeUndefined();
  }
});
