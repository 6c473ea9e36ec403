// The files that Raspberry Pi Imager 2 writes to a card's first partition for `init_format: cloudinit`, line by line, after its
// generator (src/customization_generator.cpp, src/downloadthread.cpp), with the same quoting and password hashing.
import { pbkdf2Sync } from "node:crypto";

export type Settings = {
  hostname?: string;
  timezone?: string;
  keyboard?: string;
  user?: string;
  /** Already hashed, as Imager writes it. */
  passwordHash?: string;
  sshKeys?: string[];
  wifi?: { ssid: string | Buffer; password?: string; country?: string; isHidden?: boolean };
  instance?: string;
};

export function imagerFiles(settings: Settings): Record<string, string> {
  const instance = settings.instance ?? "rpi-imager-1764042000000";
  const [userData, networkConfig] = [userDataOf(settings), networkConfigOf(settings)];
  if (!userData && !networkConfig) return {};
  const country = settings.wifi?.country;
  return {
    "meta-data": `instance-id: ${instance}\n`,
    ...(userData && { "user-data": `#cloud-config\n${userData}` }),
    ...(networkConfig && { "network-config": networkConfig }),
    "cmdline.txt": `${country ? `cfg80211.ieee80211_regdom=${country}` : ""} ds=nocloud;i=${instance}`,
  };
}

function userDataOf({ hostname, timezone, keyboard, user, passwordHash, sshKeys = [] }: Settings): string {
  const hasKeys = sshKeys.length > 0;
  const lines = [
    ...(hostname
      ? [
          `hostname: ${hostname}`,
          ...["manage_etc_hosts: true", "packages:", "- avahi-daemon", "apt:", "  preserve_sources_list: true"],
          ...["  conf: |", "    Acquire {", '      Check-Date "false";', "    };"],
        ]
      : []),
    ...(timezone ? [`timezone: ${timezone}`] : []),
    ...(keyboard ? ["keyboard:", "  model: pc105", `  layout: "${keyboard}"`] : []),
    ...((user && passwordHash) || hasKeys
      ? [
          ...["user:", `  name: ${user ?? "pi"}`, "  shell: /bin/bash"],
          ...(passwordHash ? ["  lock_passwd: false", `  passwd: "${passwordHash}"`] : ["  lock_passwd: true"]),
          ...(hasKeys ? ["  ssh_authorized_keys:", ...sshKeys.map((key) => `    - "${key}"`)] : []),
          "  sudo: null",
        ]
      : []),
    ...(hasKeys ? ["ssh_pwauth: false", "runcmd:", "  - [ systemctl, enable, --now, ssh ]"] : []),
  ];
  return lines.length > 0 ? `manage_resolv_conf: false\n\n${lines.join("\n")}\n` : "";
}

function networkConfigOf({ wifi }: Settings): string {
  if (!wifi) return "";
  const ssid = Buffer.from(wifi.ssid as string);
  const lines = [
    ...["network:", "  version: 2", "  ethernets:", "    eth0:", "      dhcp4: true", "      dhcp6: true"],
    ...["      optional: true", "  wifis:", "    wlan0:", "      dhcp4: true"],
    ...(wifi.country ? [`      regulatory-domain: "${wifi.country}"`] : []),
    ...["      access-points:", `        "${escaped(ssid)}":`],
    ...(wifi.isHidden ? ["          hidden: true"] : []),
    ...(wifi.password === undefined
      ? ["          auth:", "            key-management: none"]
      : [`          password: "${pskOf(wifi.password, ssid)}"`]),
    "      optional: true",
  ];
  return `${lines.join("\n")}\n`;
}

/** Hashes 8 to 63 characters; anything else is taken for a hash and stays unchanged. */
export const pskOf = (password: string, ssid: string | Buffer): string =>
  password.length >= 8 && password.length < 64
    ? pbkdf2Sync(password, ssid, 4096, 32, "sha1").toString("hex")
    : password.replaceAll('"', '\\"');

const named: Record<number, string> = { 0: "\\0", 8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r" };

function escaped(ssid: Buffer): string {
  const one = (byte: number) => {
    if (byte === 0x22 || byte === 0x5c) return `\\${String.fromCharCode(byte)}`;
    if (byte >= 0x20 && byte < 0x7f) return String.fromCharCode(byte);
    return named[byte] ?? `\\x${byte.toString(16).padStart(2, "0")}`;
  };
  return [...ssid].map(one).join("");
}
