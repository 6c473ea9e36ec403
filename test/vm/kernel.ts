// A kernel of Debian's own under QEMU, for what this machine's kernel may lack or must not be tried on.
// It boots in seconds on this machine's own files, read-only with a throw-away layer above, and runs scenario scripts;
// what they find comes back as JSON and is judged by the test outside. Emulated (TCG): a /dev/kvm that exists may still hang.
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { access, cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { arch, tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../system/command.ts";
import { cacheFolder } from "../../system/paths.ts";
import { eventually } from "../eventually.ts";
import { lacks } from "../lacks.ts";

export type Kernel = AsyncDisposable & {
  release: string;
  bootMs: number;
  /** Runs the default export of `scenarios/<name>.ts` in the guest, as root, and gives its result. */
  run(name: string, argument?: unknown, options?: { within?: number }): Promise<unknown>;
};

// Debian's cloud kernel: small, and with wireguard, nftables, netem and BBR; it drives no real hardware.
const metaPackage = "linux-image-cloud-amd64";
const initModules = ["virtio_pci", "virtiofs", "overlay"];
// It comes with QEMU up to 7.2, and in a package virtiofsd since; both take the same options.
const virtiofsds = ["/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd", "/usr/lib/virtiofsd"];
const bootDeadlineMs = 120_000;

export async function startKernel(): Promise<Kernel> {
  const { folder, release } = await fetchKernel();
  const initrd = await buildInitrd(folder, release);
  const share = await mkdtemp(join(tmpdir(), "hamlet-vm-"));
  await writeFile(join(share, "start"), startScript(folder, release), { mode: 0o755 });
  const started = performance.now();
  // setpriv: when the test run ends, however it ends, the machine and what serves it end with it.
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
  const serve = async (id: string, source: string) => {
    const socket = join(share, `${id}.sock`);
    begin([
      findVirtiofsd()!,
      `--socket-path=${socket}`,
      "-o",
      `source=${source}`,
      "-o",
      "sandbox=chroot",
      "-o",
      "cache=auto",
    ]);
    await eventually(() => exists(socket), { within: 5_000, every: 10 });
    return [
      ...["-chardev", `socket,id=${id},path=${socket}`],
      ...["-device", `vhost-user-fs-pci,chardev=${id},tag=${id}`],
    ];
  };
  const excuse = async () => `${told}${(await readFile(join(share, "console"), "utf8").catch(() => "")).slice(-3_000)}`;
  const appears = async (file: string, within: number) => {
    const isThere = () => exists(join(share, file));
    const cause = await eventually(async () => hasEnded || (await isThere()), { within, every: 20 }).catch(
      (late) => late,
    );
    if (!(await isThere())) throw new Error(`no ${file} from the guest: ${await excuse()}`, { cause });
  };

  const stop = async () => {
    await Promise.all(children.map(endChild));
    await rm(share, { recursive: true, force: true });
  };
  try {
    begin([
      ...["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "1024", "-smp", "1"],
      // The file servers read the guest's memory.
      ...["-object", "memory-backend-memfd,id=memory,size=1024M,share=on", "-numa", "node,memdev=memory"],
      ...["-display", "none", "-serial", `file:${join(share, "console")}`, "-no-reboot", "-nic", "none"],
      ...["-kernel", join(folder, "boot", `vmlinuz-${release}`), "-initrd", initrd],
      ...["-append", "console=ttyS0 quiet panic=-1 no_timer_check tsc=unstable"],
      ...(await serve("root", "/")),
      ...(await serve("share", share)),
    ]);
    await appears("ready", bootDeadlineMs);
  } catch (error) {
    await stop();
    throw error;
  }
  let count = 0;
  return {
    release,
    bootMs: performance.now() - started,
    async run(name, argument, { within = 120_000 } = {}) {
      count += 1;
      const job = join(share, `job-${count}`);
      await writeFile(`${job}.tmp`, JSON.stringify({ name, argument }));
      await rename(`${job}.tmp`, `${job}.json`);
      await appears(`result-${count}.json`, within);
      const answer = JSON.parse(await readFile(join(share, `result-${count}.json`), "utf8"));
      if (answer.error !== undefined) throw new Error(`scenario ${name} failed in the guest: ${answer.error}`);
      return answer.result;
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** The kernel package, downloaded by apt (which checks its signature) once per version, unpacked, never installed. */
async function fetchKernel(): Promise<{ folder: string; release: string }> {
  const field = (text: string, name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(text)?.[1] ?? "";
  const show = (name: string) => run(["apt-cache", "show", "--no-all-versions", name]);
  const dependency = field(await show(metaPackage), "Depends").split(/[ ,]/)[0] ?? "";
  const release = dependency.replace(/^linux-image-/, "");
  const sha256 = field(await show(dependency), "SHA256");
  if (!release || !sha256) throw new Error(`apt knows no ${metaPackage}: run apt-get update`);
  const folder = join(cacheFolder(), "vm-kernel", `${release}-${sha256.slice(0, 16)}`);
  if (await exists(folder)) return { folder, release };
  const unfinished = `${folder}.${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  try {
    const timeoutMs = 300_000;
    await run(["apt-get", "-o", "APT::Sandbox::User=root", "download", dependency], { cwd: unfinished, timeoutMs });
    const unpack = 'set -e; dpkg-deb --fsys-tarfile ./*.deb | tar x; rm ./*.deb; depmod -b . "$0"';
    await run(["sh", "-c", unpack, release], { cwd: unfinished, timeoutMs });
    await rename(unfinished, folder);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return { folder, release };
}

async function buildInitrd(folder: string, release: string): Promise<string> {
  const init = initScript();
  const initrd = join(folder, `initrd-${createHash("sha256").update(init).digest("hex").slice(0, 16)}`);
  if (await exists(initrd)) return initrd;
  const stage = await mkdtemp(join(tmpdir(), "hamlet-initrd-"));
  try {
    await mkdir(join(stage, "bin"));
    await cp("/bin/busybox", join(stage, "bin/busybox"), { dereference: true });
    await writeFile(join(stage, "init"), init, { mode: 0o755 });
    const wanted = await run(["modprobe", "-d", folder, "-S", release, "-a", "--show-depends", ...initModules]);
    const files = wanted.split("\n").flatMap((line) => /^insmod (\S+)/.exec(line)?.[1] ?? []);
    for (const file of new Set(files)) await cp(file, join(stage, "modules", file.split("/").at(-1)!));
    await writeFile(join(stage, "modules/order"), [...new Set(files)].map((file) => file.split("/").at(-1)).join("\n"));
    await run(["sh", "-c", 'find . | cpio -o -H newc --quiet | gzip -1 > "$0.tmp"; mv "$0.tmp" "$0"', initrd], {
      cwd: stage,
    });
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
  return initrd;
}

const initScript = () => `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mkdir -p /proc /sys /dev /lower /layer /root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r module || [ -n "$module" ]; do insmod "/modules/$module"; done < /modules/order
mount -t virtiofs -o ro root /lower
mount -t tmpfs layer /layer
mkdir /layer/upper /layer/work
mount -t overlay -o lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work overlay /root
mkdir -p /root/run /root/tmp /root/proc /root/sys /root/dev /root/hamlet-share
mount -t proc proc /root/proc
mount -t sysfs sysfs /root/sys
mount -t devtmpfs dev /root/dev
mount -t tmpfs tmpfs /root/run
mount -t virtiofs share /root/hamlet-share
exec switch_root /root /hamlet-share/start
`;

const startScript = (folder: string, release: string) => `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C
mkdir -p "/lib/modules/${release}"
mount --bind "${folder}/lib/modules/${release}" "/lib/modules/${release}"
command -v modprobe > /proc/sys/kernel/modprobe
mkdir -p /dev/pts /run/lock
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
mount -t devpts devpts /dev/pts
ip link set lo up
"${process.execPath}" "${new URL("guest.ts", import.meta.url).pathname}" /hamlet-share > /dev/console 2>&1
echo o > /proc/sysrq-trigger
sleep 10
`;

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const findVirtiofsd = (): string | undefined => virtiofsds.find((path) => existsSync(path));

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
}

/** Why no kernel can be started here; empty if one can. */
export function lacksKernel(): string {
  const reasons = [
    ...(arch() === "x64" ? [] : [`an x86-64 machine (this is ${arch()})`]),
    ...(findVirtiofsd() ? [] : ["virtiofsd"]),
  ];
  const reason = reasons.length > 0 ? `needs ${reasons.join(", ")}` : "";
  if (reason) process.stderr.write(`skipped: ${reason}\n`);
  return reason || lacks("root", "qemu-system-x86_64");
}
