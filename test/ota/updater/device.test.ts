// What the updater finds on the system that it runs on.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readDevice } from "../../../ota/updater/device.ts";
import { pathsUnder } from "../../../provisioning/firstboot/paths.ts";
import { run } from "../../../system/command.ts";
import { lacks } from "../../lacks.ts";

let root: string;
const put = (path: string, content: string) => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
};
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "hamlet-device-"));
  put(join(root, "usr/lib/hamlet/release.json"), JSON.stringify({ board: "nuc", version: "0.1.0", builtS: 5 }));
  put(join(root, "proc/cmdline"), `quiet hamlet.verity=${"ab".repeat(32)} hamlet.disk=01234567\n`);
  put(join(root, "proc/sys/kernel/random/boot_id"), "a-boot\n");
});
afterEach(() => rmSync(root, { recursive: true }));
const device = () => readDevice(async () => "", root);

test("the device is what its release and its command line say", async () => {
  expect(await device()).toMatchObject({
    ...{ board: "nuc", version: "0.1.0", builtS: 5, bootId: "a-boot" },
    ...{ rootHash: "ab".repeat(32), diskSignature: "01234567", isDataLost: false },
  });
  rmSync(join(root, "usr/lib/hamlet/release.json"));
  await expect(device()).rejects.toMatchObject({ code: "boot.unsupported" });
});

test("the last lines are kept although a program that died has printed its whole bundle", async () => {
  // journalctl prints whole lines unless it is told not to, and then as many columns as the environment says.
  const journal = [...Array.from({ length: 150 }, () => "x".repeat(48 << 10)), "Error: out of cheese"];
  const { lastWords } = await readDevice(async (argv, { maxStdoutBytes = 0, env = {} } = {}) => {
    const columns = argv.includes("--no-full") ? Number(env["COLUMNS"]) : Number.POSITIVE_INFINITY;
    const text = journal.map((line) => `${line.slice(0, columns)}\n`).join("");
    if (text.length > maxStdoutBytes) throw new Error(`it printed more than ${maxStdoutBytes} bytes`);
    return text;
  }, root);
  const words = await lastWords();
  expect(words).toHaveLength(151);
  expect(words.at(-1)).toBe("Error: out of cheese");
  expect(words[0]).toHaveLength(400);
});

test("all threads of the updater give way to whatever else uses the disk, unless it shares its group with others", async () => {
  const ran: string[] = [];
  const { giveWay } = await readDevice(async (argv) => {
    ran.push(argv.join(" "));
    return "";
  }, root);
  put(join(root, "proc/self/stat"), `${process.pid} (node) 1) S 1 ${process.pid} ${process.pid} 0 -1`);
  await giveWay(true);
  await giveWay(false);
  expect(ran).toEqual([`ionice -c 3 -P ${process.pid}`, `ionice -c 0 -P ${process.pid}`]);
  put(join(root, "proc/self/stat"), `${process.pid} (node) S 1 ${process.pid - 1} ${process.pid} 0 -1`);
  await giveWay(true);
  expect(ran).toHaveLength(2);
});

test.skipIf(lacks("ionice"))("the kernel gives the class to each thread of such a group", async () => {
  const script =
    'require("node:fs").readFile("/proc/self/stat", () => console.log("ready")); setInterval(() => {}, 1000)';
  const child = spawn(process.execPath, ["-e", script], { detached: true, stdio: ["ignore", "pipe", "ignore"] });
  try {
    await once(child.stdout, "data");
    const threads = readdirSync(`/proc/${child.pid}/task`);
    const classes = async () =>
      new Set(await Promise.all(threads.map(async (id) => (await run(["ionice", "-p", id])).trim())));
    await run(["ionice", "-c", "3", "-P", String(child.pid)]);
    expect(await classes()).toEqual(new Set(["idle"]));
    await run(["ionice", "-c", "0", "-P", String(child.pid)]);
    expect([...(await classes())].join()).toMatch(/^none/);
  } finally {
    child.kill("SIGKILL");
  }
});

test("what the owner has asked of root is seen as long as it is not done", async () => {
  const { resetRequest, installRequest, moving } = pathsUnder(root);
  const { ownerAsked } = await device();
  expect(await ownerAsked()).toBeUndefined();
  for (const [path, what] of [
    [installRequest, "install"],
    [moving, "install"],
    [resetRequest, "reset"],
  ] as const) {
    put(path, "{}");
    expect(await ownerAsked()).toBe(what);
    rmSync(path);
  }
});
