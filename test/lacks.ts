// Names what a test needs but this machine lacks, so that a skip says why: `test.skipIf(lacks("root", "wireguard"))`.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const programs = [
  ...[
    "apt-get",
    "avahi-browse",
    "avahi-daemon",
    "bmaptool",
    "chromium",
    "dbus-daemon",
    "dtc",
    "fish",
    "ionice",
    "ip",
    "losetup",
  ],
  ...["mcopy", "mke2fs", "mkfs.erofs", "mkfs.vfat", "mosquitto_sub", "nft", "nginx", "nix-build", "nix-instantiate"],
  ...[
    "nsenter",
    "openssl",
    "perl",
    "ping",
    "python3",
    "qemu-img",
    "qemu-io",
    "qemu-nbd",
    "qemu-system-aarch64",
    "qemu-system-x86_64",
    "setpriv",
    "ssh-keygen",
    "systemd-analyze",
    "tc",
    "tcpdump",
  ],
  ...["unshare", "veritysetup", "wg", "wireguard-go", "xz", "zsh"],
] as const;
export type Need = "root" | "namespaces" | "wireguard" | (typeof programs)[number];

/** The needs that this machine cannot meet, as readable text; empty (falsy) when it meets all of them. */
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
    // Any WireGuard will do here; test/vm tests the kernel's own.
    case "wireguard":
      return (["wg", "wireguard-go"] as const).flatMap(missingFor);
    default:
      return isInstalled(need) ? [] : [need];
  }
}

function isInstalled(program: string): boolean {
  // Not every user has sbin in their PATH, but root's tools are there.
  return [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"].some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
