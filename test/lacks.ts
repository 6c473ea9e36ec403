// What a test needs and this machine has not. A skip names it: `test.skipIf(lacks("root", "wireguard"))`.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const programs = [
  ...["apt-get", "avahi-browse", "avahi-daemon", "bmaptool", "chromium", "dbus-daemon", "dtc", "ip", "losetup"],
  ...["mcopy", "mke2fs", "mkfs.erofs", "mkfs.vfat", "mosquitto_sub", "nft", "nix-build", "nix-instantiate", "nsenter"],
  ...[
    "openssl",
    "perl",
    "ping",
    "qemu-system-aarch64",
    "qemu-system-x86_64",
    "setpriv",
    "ssh-keygen",
    "systemd-analyze",
    "tc",
    "tcpdump",
  ],
  ...["unshare", "veritysetup", "wg", "wireguard-go", "xz"],
] as const;
export type Need = "root" | "namespaces" | "wireguard" | (typeof programs)[number];

/** The needs this machine can not meet, as text for people; empty (so: falsy) when it has them all. */
export function lacks(...needs: Need[]): string {
  const missing = needs.flatMap(missingFor);
  if (missing.length === 0) return "";
  const text = `needs ${[...new Set(missing)].join(", ")}`;
  process.stderr.write(`skipped: ${text}\n`);
  return text;
}

function missingFor(need: Need): string[] {
  switch (need) {
    case "root":
      return process.getuid?.() === 0 ? [] : ["root"];
    case "namespaces":
      return (["root", "ip", "nsenter", "unshare"] as const).flatMap(missingFor);
    // Any WireGuard will do here: tests on the kernel's own live in test/vm.
    case "wireguard":
      return (["wg", "wireguard-go"] as const).flatMap(missingFor);
    default:
      return isInstalled(need) ? [] : [need];
  }
}

function isInstalled(program: string): boolean {
  // sbin is not in every user's PATH, but root's tools live there.
  return [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"].some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
