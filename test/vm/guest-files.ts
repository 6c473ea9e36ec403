// The files that the kernel VM boots from: Debian's kernel package, an initrd built from it, and the guest's first script.
import { createHash } from "node:crypto";
import { access, cp, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../system/command.ts";
import { cacheFolder } from "../../system/paths.ts";

// Debian's cloud kernel is small and has wireguard, nftables, netem and BBR, but no drivers for real hardware.
const metaPackage = "linux-image-cloud-amd64";
const initModules = ["virtio_pci", "virtiofs", "overlay"];

/** Downloads the kernel package with apt, which checks its signature, once per version; unpacks it without installing it. */
export async function fetchKernel(): Promise<{ folder: string; release: string }> {
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

export async function buildInitrd(folder: string, release: string): Promise<string> {
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

export const startScript = (folder: string, release: string) => `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C
mkdir -p "/lib/modules/${release}"
mount --bind "${folder}/lib/modules/${release}" "/lib/modules/${release}"
command -v modprobe > /proc/sys/kernel/modprobe
mkdir -p /dev/pts /run/lock
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
mount -t devpts devpts /dev/pts
ip link set lo up
"${process.execPath}" "${join(import.meta.dirname, "guest.ts")}" /hamlet-share > /dev/console 2>&1
echo o > /proc/sysrq-trigger
sleep 10
`;

export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
