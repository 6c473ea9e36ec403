// Runs parts of the initrd's scripts under busybox, with its programs alone, in a folder in place of the device.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Slot } from "../../../../image/boot/boot-control.ts";
import { applets } from "../../../../image/bundle/debian/initrd.ts";

const scripts = "image/bundle/initrd";

export type Emergency = {
  at(path: string): string;
  write(path: string, content: string | Buffer): void;
  read(path: string): string | undefined;
  /** Runs it as `init` would, with these of its variables set; returns what was printed, `restarts` included. */
  run(script: string, slot: Slot, variables?: Record<string, string>): string;
  dispose(): void;
};

/**
 * What touches the kernel is a function: a partition mounts by a copy of its folder `partitions/<label>`, which goes back when it is
 * unmounted, and a slot verifies if `slots/<root hash>` is there.
 */
const doors = `
say() { echo "$1"; }
fail() { echo "fails: $1"; exit 1; }
insmod() { :; }
sync() { :; }
sleep() { :; }
argument() { for word in $2; do case $word in "$1"=*) echo "\${word#*=}" ;; esac; done; }
partition() { echo "@/partitions/$1"; }
verity_table() { echo "$4"; }
dmsetup() {
  case $1 in create) mkdir -p @/sys/block/dm-0/dm; echo hamlet-other >@/sys/block/dm-0/dm/name; rm -f @/dev/dm-0
    cp "@/slots/$6" @/dev/dm-0 2>/dev/null; : ;; esac
}
mount() {
  [ "$1" = -t ] || return 0
  for last in "$@"; do from=$to; to=$last; done
  [ -d "$from" ] && rm -rf "$to" && ln -s "$from" "$to"
}
umount() { [ ! -L "$1" ] || rm "$1"; }
reboot() { echo restarts; exit 0; }
to=
`;

export function emergencyIn(): Emergency {
  const folder = mkdtempSync(join(tmpdir(), "hamlet-initrd-"));
  const at = (path: string) => join(folder, path);
  const placed = (text: string) =>
    text.replace(/(?<![\w.@*}$/])\/(?=(esp|boot|data|modules|sys|dev|autoboot\.txt|rescue|proc)\b)/g, `${folder}/`);
  for (const name of ["bin", "dev", "esp", "boot", "data", "modules", "slots", "proc"])
    mkdirSync(at(name), { recursive: true });
  for (const name of applets.split(" ")) symlinkSync(busybox, at(`bin/${name}`));
  const write = (path: string, content: string | Buffer) => {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), content);
  };
  write("modules/rescue", "");
  write("rescue", placed(readFileSync(join(scripts, "rescue"), "utf8")));
  return {
    at,
    write,
    read: (path) => (existsSync(at(path)) ? readFileSync(at(path), "utf8") : undefined),
    run(script, slot, variables = {}) {
      const set = Object.entries({ signature: "", data: "@/partitions/data", slot, ...variables })
        .map(([name, value]) => `${name}='${value.replaceAll("@", folder)}'\n`)
        .join("");
      const text = `set -u\nexport PATH=${at("bin")}\n${doors.replaceAll("@/", `${folder}/`)}${set}${placed(script)}`;
      return execFileSync(busybox, ["sh", "-c", text], { encoding: "utf8" });
    },
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  };
}

const busybox = "/bin/busybox";
