// Debian's kernel under QEMU, for features that this machine's kernel may lack and for tests too dangerous for it.
// It boots in seconds from this machine's own files, read-only below a throw-away layer, and runs scenario scripts. They
// return their findings as JSON, which the test outside checks. QEMU emulates (TCG), because an existing /dev/kvm may hang.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { arch, tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../eventually.ts";
import { lacks } from "../lacks.ts";
import { buildInitrd, exists, fetchKernel, startScript } from "./guest-files.ts";
import type flash from "./scenarios/flash.ts";
import type mesh from "./scenarios/mesh.ts";
import type tuning from "./scenarios/tuning.ts";

type Scenarios = { flash: typeof flash; mesh: typeof mesh; tuning: typeof tuning };
export type Kernel = AsyncDisposable & {
  release: string;
  bootMs: number;
  /** Runs the default export of `scenarios/<name>.ts` in the guest as root and returns its result. */
  run<Name extends keyof Scenarios>(name: Name): Promise<Awaited<ReturnType<Scenarios[Name]>>>;
};

// Part of QEMU up to 7.2, a package of its own since; both take the same options.
const virtiofsds = ["/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd", "/usr/lib/virtiofsd"];
/** An emulated scenario can take any time on a busy machine, so only silence fails: no console output and no step from the guest. */
const silenceMs = 120_000;

export async function startKernel(): Promise<Kernel> {
  const { folder, release } = await fetchKernel();
  const initrd = await buildInitrd(folder, release);
  const share = await mkdtemp(join(tmpdir(), "hamlet-vm-"));
  await writeFile(join(share, "start"), startScript(folder, release), { mode: 0o755 });
  const started = performance.now();
  // setpriv ends the machine and its file servers when the test run ends, for any reason.
  const children: ChildProcess[] = [];
  let told = "";
  let hasEnded = false;
  const begin = (argv: string[]) => {
    const child = spawn("setpriv", ["--pdeathsig", "KILL", ...argv], { stdio: ["ignore", "ignore", "pipe"] });
    child.stderr.setEncoding("utf8").on("data", (text: string) => (told = (told + text).slice(-3_000)));
    child.on("error", (error) => (told += error));
    child.on("exit", () => (hasEnded = true));
    children.push(child);
  };
  const serve = async (id: string, source: string, cache: "always" | "none") => {
    const socket = join(share, `${id}.sock`);
    begin([
      findVirtiofsd()!,
      `--socket-path=${socket}`,
      "-o",
      `source=${source}`,
      "-o",
      "sandbox=chroot",
      "-o",
      `cache=${cache}`,
    ]);
    await eventually(() => exists(socket), { within: 5_000, every: 10 });
    return [
      ...["-chardev", `socket,id=${id},path=${socket}`],
      ...["-device", `vhost-user-fs-pci,chardev=${id},tag=${id}`],
    ];
  };
  const heard = async () => {
    const texts = ["console", "told"].map((file) => readFile(join(share, file), "utf8").catch(() => ""));
    return (await Promise.all(texts)).map((text) => text.trim().slice(-3_000)).join("\n");
  };
  const appears = async (file: string) => {
    const isThere = () => exists(join(share, file));
    const patience = { within: silenceMs, every: 20, progress: heard };
    const cause = await eventually(async () => hasEnded || (await isThere()), patience).catch((late) => late);
    if (await isThere()) return;
    const helpers = hasEnded ? `\nQEMU or virtiofsd ended: ${told}` : "";
    throw new Error(`no ${file} from the guest. It printed:\n${await heard()}${helpers}`, { cause });
  };

  const stop = async () => {
    await Promise.all(children.map(endChild));
    await rm(share, { recursive: true, force: true });
  };
  try {
    begin([
      ...["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "1024", "-smp", "1"],
      // The file servers need access to the guest's memory.
      ...["-object", "memory-backend-memfd,id=memory,size=1024M,share=on", "-numa", "node,memdev=memory"],
      ...["-display", "none", "-serial", `file:${join(share, "console")}`, "-no-reboot", "-nic", "none"],
      ...["-kernel", join(folder, "boot", `vmlinuz-${release}`), "-initrd", initrd],
      ...["-append", "console=ttyS0 quiet panic=-1 no_timer_check tsc=unstable"],
      // Cache the programs that the guest runs: the other modes drop a file's pages, even mapped ones, on every open.
      ...(await serve("root", "/", "always")),
      // No cache here: each side waits for files from the other.
      ...(await serve("share", share, "none")),
    ]);
    await appears("ready");
  } catch (error) {
    await stop();
    throw error;
  }
  let count = 0;
  return {
    release,
    bootMs: performance.now() - started,
    async run(name) {
      count += 1;
      const job = join(share, `job-${count}`);
      await writeFile(`${job}.tmp`, JSON.stringify({ name }));
      await rename(`${job}.tmp`, `${job}.json`);
      await appears(`result-${count}.json`);
      const answer = JSON.parse(await readFile(join(share, `result-${count}.json`), "utf8"));
      if (answer.error !== undefined) throw new Error(`scenario ${name} failed in the guest: ${answer.error}`);
      return answer.result;
    },
    [Symbol.asyncDispose]: stop,
  };
}

const findVirtiofsd = (): string | undefined => virtiofsds.find((path) => existsSync(path));

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
}

/** Why no kernel can start here; empty if one can. */
export function lacksKernel(): string {
  const reasons = [
    ...(arch() === "x64" ? [] : [`an x86-64 machine (this is ${arch()})`]),
    ...(findVirtiofsd() ? [] : ["virtiofsd"]),
  ];
  const reason = reasons.length > 0 ? `needs ${reasons.join(", ")}` : "";
  if (reason) process.stderr.write(`skipped: ${reason}\n`);
  return reason || lacks("root", "qemu-system-x86_64");
}
