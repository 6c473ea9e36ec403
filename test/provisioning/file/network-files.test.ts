import { expect, test } from "vitest";
import { networkdFiles, wpaSupplicantConf } from "../../../provisioning/file/network-files.ts";

test("without network settings there are no files", () => {
  expect(networkdFiles({})).toEqual([]);
  expect(wpaSupplicantConf({})).toBeUndefined();
});

test("a static address replaces DHCP on the links that it names", () => {
  const address = "192.168.1.5/24";
  const [file, ...more] = networkdFiles({
    staticAddress: { interface: "e*", address, gateway: "192.168.1.1", dns: ["9.9.9.9", "2620:fe::9"] },
  });
  expect(more).toEqual([]);
  expect(file!.name).toBe("70-hamlet-static.network");
  for (const line of [
    "Name=e*",
    "DHCP=no",
    "Address=192.168.1.5/24",
    "Gateway=192.168.1.1",
    "DNS=9.9.9.9",
    "DNS=2620:fe::9",
  ]) {
    expect(file!.content.split("\n")).toContain(line);
  }
});

test("a Wi-Fi name in any characters cannot end a line, a password may contain quotes, and an open network has none", () => {
  const conf = wpaSupplicantConf({
    wifi: { ssid: 'Küche"\n}', password: 'a "quoted" #1', country: "DE", hidden: true },
  });
  expect(conf!.split("\n")).toEqual([
    "country=DE",
    "update_config=0",
    "network={",
    "  ssid=4bc3bc636865220a7d",
    "  scan_ssid=1",
    "  key_mgmt=WPA-PSK WPA-PSK-SHA256 SAE",
    "  ieee80211w=1",
    '  psk="a "quoted" #1"',
    "}",
    "",
  ]);
  expect(wpaSupplicantConf({ wifi: { ssid: "cafe" } })).toContain("key_mgmt=NONE");
});
