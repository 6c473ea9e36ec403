// Turns the network settings of a provision file into the files that systemd-networkd and wpa_supplicant read.
// Pure.
import type { Network } from "./provision-file.ts";

export type NetworkFile = { name: string; content: string };

/** For systemd-networkd, without secrets. Sorts before the image's own 80-*.network, whose DHCP it replaces. */
export function networkdFiles({ staticAddress }: Network): NetworkFile[] {
  if (!staticAddress) return [];
  const { interface: link, address, gateway, dns = [] } = staticAddress;
  const isWifi = link.startsWith("w");
  const lines = [
    "[Match]",
    `Name=${link}`,
    // Never match virtual links, above all hamlet0.
    "Kind=!*",
    "",
    "[Link]",
    "RequiredForOnline=no",
    "",
    "[Network]",
    "DHCP=no",
    "LinkLocalAddressing=yes",
    "IPv6AcceptRA=yes",
    "MulticastDNS=no",
    "LLMNR=no",
    // Like the image's own file for Wi-Fi: keep the address through a moment without the access point.
    ...(isWifi ? ["IgnoreCarrierLoss=3s"] : []),
    `Address=${address}`,
    ...dns.map((server) => `DNS=${server}`),
    // Prefer a cable that has a gateway too.
    ...(gateway ? ["", "[Route]", `Gateway=${gateway}`, ...(isWifi ? ["Metric=2048"] : [])] : []),
  ];
  return [{ name: "70-hamlet-static.network", content: `${lines.join("\n")}\n` }];
}

/** wpa_supplicant.conf(5), or undefined without Wi-Fi settings. Holds the password, so only root may read it. */
export function wpaSupplicantConf({ wifi }: Network): string | undefined {
  if (!wifi) return undefined;
  const { ssid, password, psk, country, hidden } = wifi;
  const lines = [
    ...(country ? [`country=${country}`] : []),
    "update_config=0",
    "network={",
    // In hex, so that no character of the name can end the string.
    `  ssid=${Buffer.from(ssid).toString("hex")}`,
    ...(hidden ? ["  scan_ssid=1"] : []),
    ...keyLines(password, psk),
    "}",
  ];
  return `${lines.join("\n")}\n`;
}

function keyLines(password: string | undefined, psk: string | undefined): string[] {
  // WPA3 (SAE) needs the password itself.
  if (psk !== undefined) return ["  key_mgmt=WPA-PSK WPA-PSK-SHA256", "  ieee80211w=1", `  psk=${psk}`];
  if (password === undefined) return ["  key_mgmt=NONE"];
  // WPA2 and WPA3. A quoted passphrase ends at the last quote of the line, so quotes inside it are harmless.
  return ["  key_mgmt=WPA-PSK WPA-PSK-SHA256 SAE", "  ieee80211w=1", `  psk="${password}"`];
}
