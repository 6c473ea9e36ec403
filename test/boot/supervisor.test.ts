// The lab's processes, with machines that have only firmware: however the lab ends, nothing of it stays behind.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, readlink, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findLab } from "../../image/lab/supervisor/client.ts";
import { startLab } from "../../image/lab/supervisor/start.ts";
import { eventually } from "../eventually.ts";
import { runHamlet } from "./lab.ts";

const cli = fileURLToPath(new URL("../../cli/hamlet.ts", import.meta.url));
let state = "";
let image = "";
beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), "hamlet-supervisor-"));
  image = join(state, "empty.img");
  await writeFile(image, "");
  await truncate(image, 64 << 20);
});
afterEach(async () => {
  await (await findLab(folder()).catch(() => undefined))?.down();
  await rm(state, { recursive: true });
});
const folder = () => join(state, "hamlet", "lab");
const start = () => startLab({ folder: folder(), images: [image], devices: 2, isProvisioned: false });

/** Command lines of all processes whose working folder or arguments are in this test's folder. */
async function processesOfLab(): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    const [cwd, words] = await Promise.all([
      readlink(`/proc/${pid}/cwd`).catch(() => ""),
      readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""),
    ]);
    if (words && (cwd.startsWith(state) || words.includes(state))) found.push(words.replaceAll("\0", " "));
  }
  return found;
}
async function untilNone(): Promise<void> {
  await eventually(async () => expect(await processesOfLab()).toEqual([]), { within: 15_000, every: 50 });
}
const hasJoined = async () => (await processesOfLab()).some((words) => words.includes("hubport"));
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("kill -9 of the supervisor ends every machine, and the next lab starts in spite of its leftovers", async () => {
  const lab = await start();
  const { pid } = await lab.status();
  expect((await processesOfLab()).filter((words) => words.includes("qemu-system"))).toHaveLength(2);
  process.kill(pid, "SIGKILL");
  await untilNone();
  await expect(findLab(folder())).rejects.toMatchObject({ code: "lab.notRunning" });
  const again = await start();
  expect((await again.status()).devices.map((device) => device.name)).toEqual(["attic", "cellar"]);
});

test("down ends everything and deletes disks and keys, but keeps the console logs", async () => {
  const lab = await start();
  await lab.down();
  await untilNone();
  expect((await readdir(folder())).filter((name) => !name.endsWith(".log"))).toEqual([]);
});

test("an image that is not Hamlet's is refused and leaves nothing behind", async () => {
  await expect(startLab({ folder: folder(), images: [image], devices: 1 })).rejects.toMatchObject({
    code: "image.notOurs",
  });
  await expect(startLab({ folder: folder(), images: ["/nowhere.img"] })).rejects.toMatchObject({
    code: "file.unreadable",
  });
  await untilNone();
  expect(await readdir(folder())).toEqual(["supervisor.log"]);
});

test("SIGTERM to the supervisor works like down", async () => {
  process.kill((await (await start()).status()).pid, "SIGTERM");
  await untilNone();
});

test("only its owner may use the control socket", async () => {
  await start();
  expect((await stat(join(folder(), "control.sock"))).mode & 0o777).toBe(0o600);
  expect((await stat(folder())).mode & 0o777).toBe(0o700);
});

test("the status shows a machine that ended by itself as off", async () => {
  const lab = await start();
  const { pid } = await lab.status();
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim().split(" ");
  const words = await Promise.all(children.map((child) => readFile(`/proc/${child}/cmdline`, "utf8")));
  process.kill(Number(children[words.findIndex((one) => one.includes("hamlet-attic"))]), "SIGKILL");
  await eventually(async () =>
    expect((await lab.status()).devices).toMatchObject([
      { name: "attic", state: "off", problem: "ended by SIGKILL" },
      { name: "cellar", state: "booting" },
    ]),
  );
});

test("hosts that join the LAN reach each other, and end with the lab", async () => {
  await start();
  const env = { XDG_STATE_HOME: state };
  const first = runHamlet(["lab", "join", "--", "sleep", "1000"], env);
  await eventually(hasJoined, { within: 15_000 });
  const { code, stdout } = await runHamlet(["lab", "join", "--", "ping", "-c3", "-W5", "10.77.0.200"], env);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/[1-3] received/)]);
  expect((await runHamlet(["lab", "down"], env)).code).toBe(0);
  expect((await first).code).not.toBe(0);
  await untilNone();
});

test("kill -9 of a joined command leaves none of its namespaces behind", async () => {
  const lab = await start();
  const child = spawn(process.execPath, [cli, "lab", "join", "--", "sleep", "1000"], {
    env: { ...process.env, XDG_STATE_HOME: state },
    stdio: "ignore",
  });
  const ended = new Promise((resolve) => child.on("close", resolve));
  await eventually(hasJoined, { within: 15_000 });
  child.kill("SIGKILL");
  await ended;
  await lab.down();
  await untilNone();
});

async function watch(): Promise<{ child: ChildProcess; ended: Promise<number | null>; printed: () => string }> {
  const child = spawn(process.execPath, [cli, "lab", "watch", "--devices", "1", "--unprovisioned", "--image", image], {
    env: { ...process.env, XDG_STATE_HOME: state },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream!.on("data", (chunk) => (printed += chunk));
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  await eventually(() => expect(printed).toContain("firmware"), { within: 40_000 });
  return { child, ended, printed: () => printed };
}

test("Ctrl-C sent twice, as npm does, ends the watch and the lab", async () => {
  const { child, ended, printed } = await watch();
  process.kill(-child.pid!, "SIGINT");
  await pause(20);
  process.kill(-child.pid!, "SIGINT");
  expect(await ended).toBe(0);
  expect(printed()).toContain("the lab is down");
  await untilNone();
});

test("a closed terminal ends the watch and the lab", async () => {
  const { child, ended } = await watch();
  child.stdout!.destroy();
  child.stderr!.destroy();
  process.kill(-child.pid!, "SIGHUP");
  await ended;
  await untilNone();
});

test("kill -9 of the watch ends the lab that it owns", async () => {
  const { child, ended } = await watch();
  child.kill("SIGKILL");
  await ended;
  await untilNone();
});

test("Ctrl-C during the image build ends the builder's programs too", async () => {
  const env = { ...process.env, XDG_STATE_HOME: state, XDG_CACHE_HOME: join(state, "cache") };
  const child = spawn(process.execPath, [cli, "lab", "watch"], { env, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (printed += chunk));
  await eventually(() => expect(printed).toContain("Debian packages"), { within: 60_000 });
  const isInstalling = async () => (await processesOfLab()).some((words) => words.includes("mmdebstrap"));
  await eventually(isInstalling, { within: 60_000, every: 20 });
  child.kill("SIGINT");
  expect(await ended).toBe(0);
  await untilNone();
});

test("a second watch says that one is already running and does not harm it", async () => {
  const { child, ended } = await watch();
  const { code, stderr } = await runHamlet(["lab", "watch", "--image", image, "--unprovisioned"], {
    XDG_STATE_HOME: state,
  });
  expect([code, stderr]).toEqual([1, expect.stringContaining("lab.alreadyRunning")]);
  expect((await (await findLab(folder())).status()).devices).toHaveLength(1);
  child.kill("SIGINT");
  expect(await ended).toBe(0);
});
