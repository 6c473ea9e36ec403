// Network settings of a provision file, as the files that systemd-networkd and wpa_supplicant read.
import type { Network } from "./provision-file.ts";

export type NetworkFile = { name: string; content: string };

/** For systemd-networkd; nothing in them is secret. Ahead of the image's own 80-*.network, whose DHCP they replace. */
export function networkdFiles({ staticAddress }: Network): NetworkFile[] {
  if (!staticAddress) return [];
  const { interface: link, address, gateway, dns = [] } = staticAddress;
  const isWifi = link.startsWith("w");
  const lines = [
    "[Match]",
    `Name=${link}`,
    // Links made by software, hamlet0 above all, are never meant.
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
    // As the image's own file for Wi-Fi: a moment without its access point takes no address away.
    ...(isWifi ? ["IgnoreCarrierLoss=3s"] : []),
    `Address=${address}`,
    ...dns.map((server) => `DNS=${server}`),
    // Where a cable leads out too, it is the better way.
    ...(gateway ? ["", "[Route]", `Gateway=${gateway}`, ...(isWifi ? ["Metric=2048"] : [])] : []),
  ];
  return [{ name: "70-hamlet-static.network", content: `${lines.join("\n")}\n` }];
}

/** wpa_supplicant.conf(5), or undefined where there is no Wi-Fi to join. Holds the password: for root's eyes. */
export function wpaSupplicantConf({ wifi }: Network): string | undefined {
  if (!wifi) return undefined;
  const { ssid, password, psk, country, hidden } = wifi;
  const lines = [
    ...(country ? [`country=${country}`] : []),
    "update_config=0",
    "network={",
    // Hex, so that no letter of a name can end the string.
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
  // WPA2 and WPA3. A quoted passphrase ends at the line's last quote, so quotes inside it are harmless.
  return ["  key_mgmt=WPA-PSK WPA-PSK-SHA256 SAE", "  ieee80211w=1", `  psk="${password}"`];
}
