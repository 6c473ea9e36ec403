import { expect, test } from "vitest";
import { readImagerFiles } from "../../../provisioning/file/imager.ts";
import { wpaSupplicantConf } from "../../../provisioning/file/network-files.ts";
import { imagerFiles, pskOf, type Settings } from "../firstboot/imager-card.ts";

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9 \\"me\\" # at: home';
const plainKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9 me@home";
const read = (settings: Settings) => {
  const files = imagerFiles(settings);
  return readImagerFiles({ userData: files["user-data"], networkConfig: files["network-config"] });
};

test.each<[string, Settings, object]>([
  ["nothing at all", {}, {}],
  ["a hostname", { hostname: "attic" }, { name: "attic" }],
  ["a hostname in capitals and with a domain", { hostname: "Attic.local" }, { name: "attic" }],
  ["a hostname that YAML would take for a number", { hostname: "1e3" }, { name: "1e3" }],
  ["a hostname that YAML would take for a truth value", { hostname: "no" }, { name: "no" }],
  ["an SSH key with what YAML quotes", { sshKeys: [key] }, { sshKeys: [key.replaceAll("\\", "")] }],
  [
    "two keys of one file, twice",
    { sshKeys: [plainKey, key, plainKey] },
    { sshKeys: [plainKey, key.replaceAll("\\", "")] },
  ],
])("Imager's %s", (_, settings, found) => {
  expect(read(settings)).toMatchObject({ settings: found, warnings: [] });
});

test.each([
  'Fritz!Box "7590"',
  "it's $HOME",
  "back\\slash",
  "Žižkov ☕ 🏠",
  "Grüße",
  " leading and trailing ",
  "null",
  "12345",
])("a Wi-Fi called %s keeps its name, byte for byte", (ssid) => {
  const password = "pa$$'word\"\\ `id`";
  const { settings: found, warnings } = read({ wifi: { ssid, password, country: "CZ", isHidden: true } });
  expect(warnings).toEqual([]);
  expect(found).toEqual({ network: { wifi: { ssid, psk: pskOf(password, ssid), country: "CZ", hidden: true } } });
  const conf = wpaSupplicantConf(found.network!)!;
  expect(conf).toContain(`\n  ssid=${Buffer.from(ssid).toString("hex")}\n`);
  expect(conf).toContain(`\n  psk=${pskOf(password, ssid)}\n`);
  // WPA3 would need the password itself.
  expect(conf).not.toContain("SAE");
});

test("an open network has no key", () => {
  const { settings: found } = read({ wifi: { ssid: "café" } });
  expect(found).toEqual({ network: { wifi: { ssid: "café" } } });
});

test("files by Imager 1 and files written by hand are read too", () => {
  const networkConfig =
    "version: 2\nwifis:\n  renderer: networkd\n  wlan0:\n    access-points:\n      café:\n        auth:\n          password: plain and long\n";
  const userData = `#cloud-config\nhostname: attic\nusers:\n- default\n- name: pi\n  ssh_authorized_keys:\n    - ${plainKey}\n`;
  expect(readImagerFiles({ userData, networkConfig }).settings).toEqual({
    name: "attic",
    sshKeys: [plainKey],
    network: { wifi: { ssid: "café", password: "plain and long" } },
  });
});

test("a user with a password and no key gets a warning to give a key; the rest applies", () => {
  const said = read({
    hostname: "attic",
    user: "pi",
    passwordHash: "$y$j9T$a$b'c",
    timezone: "Europe/Prague",
    keyboard: "cz",
  });
  expect(said.settings).toEqual({ name: "attic", timezone: "Europe/Prague" });
  expect(said.warnings).toEqual(["passwords are not supported: give an SSH key"]);
  expect(said.notes).toEqual(["keyboard: has no meaning on this system"]);
  expect(read({ user: "pi", passwordHash: "$5$x", sshKeys: [plainKey] }).warnings).toEqual([]);
});

test("a time zone that nobody knows becomes a warning with the one that was probably meant, and the rest applies", () => {
  const { settings, warnings } = read({ hostname: "attic", timezone: "Europe/Pragu" });
  expect(settings).toEqual({ name: "attic" });
  expect(warnings).toEqual(["the time zone 'Europe/Pragu' is not a time zone; did you mean Europe/Prague?"]);
});

test.each<[string, Settings, RegExp]>([
  ["hostname", { hostname: "my_pi" }, /my_pi.*a-z, 0-9/],
  ["SSH key", { sshKeys: ["ssh-dss AAAA"] }, /1 of 1 SSH keys/],
  [
    "password too short for Wi-Fi",
    { wifi: { ssid: "home", password: "short" } },
    /Wi-Fi settings are invalid.*8 to 63/,
  ],
  ["name too long for Wi-Fi", { wifi: { ssid: "x".repeat(33) } }, /longer than 32 bytes/],
  ["control character in a Wi-Fi's name", { wifi: { ssid: "a\nb" } }, /control characters/],
])("a %s that can not be used is a warning, not an end", (_, settings, warning) => {
  const { settings: found, warnings } = read({ ...settings });
  expect(found).toEqual({});
  expect(warnings.join()).toMatch(warning);
});

test.each([
  ["user-data", { userData: "hostname: [unclosed" }],
  ["user-data", { userData: "hostname:\n  a: b\n" }],
  ["user-data", { userData: "- a list\n" }],
  ["user-data", { userData: "hostname: a\nhostname: b\n" }],
  ["network-config", { networkConfig: "\twifis: tab" }],
  ["network-config", { networkConfig: "network: []\n" }],
  ["network-config", { networkConfig: 'wifis:\n  wlan0:\n    access-points: "home"\n' }],
])("a malformed %s has a code and a next step: %j", (name, files) => {
  expect(() => readImagerFiles(files)).toThrow(
    expect.objectContaining({ code: "imager.invalid", hint: expect.stringContaining(name) }),
  );
});

test("wifi-static: unsupported settings in network-config are named", () => {
  const networkConfig = `network:
  version: 2
  ethernets:
    renderer: networkd
    eth0:
      dhcp4: False
      addresses: [192.168.1.5/24]
      gateway4: 192.168.1.1
      nameservers: {addresses: [9.9.9.9]}
  wifis:
    wlan0:
      dhcp4: true
      optional: true
      regulatory-domain: Germany
      access-points: {home: {password: secret123, hidden: True}}
`;
  const { settings: found, warnings } = readImagerFiles({ networkConfig });
  expect(found.network?.wifi).toEqual({ ssid: "home", password: "secret123", hidden: true });
  expect(warnings).toEqual([
    "not used from network-config: dhcp4 of eth0, addresses of eth0, gateway4 of eth0, nameservers of eth0; " +
      "set a static address with hamlet provision",
    "the country 'GERMANY' is not the code of a country, such as DE",
  ]);
});

test.each([
  "hostname: *secretpw",
  "hostname: |secretpw\n x",
  "passwd: {secretpw: [secretpw",
  'passwd: "secretpw\n- secretpw',
  "passwd: secretpw: secretpw",
  "secretpw",
  "passwd: !!secretpw secretpw\n\tsecretpw",
])(
  "config-syntax: a slip in %j is told without what stands there, which strangers would see on the page",
  (userData) => {
    let said = "";
    try {
      said = JSON.stringify(readImagerFiles({ userData }));
    } catch (error) {
      said = `${error}`;
    }
    expect(said).toMatch(/user-data on the card cannot be read: it (is not YAML|has no lines)|Unresolved alias/);
    expect(said).not.toContain("secretpw");
  },
);

test("the name may be a whole domain name", () => {
  expect(readImagerFiles({ userData: "fqdn: Attic.example.org\n" })).toMatchObject({ settings: { name: "attic" } });
});

test.each([
  ["packages:\n- avahi-daemon\n- mosquitto\n", "packages"],
  ["runcmd:\n- [systemctl, enable, --now, ssh]\n- poweroff\n", "runcmd"],
  ["ntp: {servers: [192.168.1.1]}\n", "ntp"],
  ["swap: {filename: /swap, size: 1G}\nmounts: []\n", "mounts, swap"],
  ["chpasswd: {expire: false}\n", "chpasswd"],
  ["apt: {conf: x, sources: {a: {source: deb}}}\n", "apt"],
  ["write_files:\n- path: /etc/motd\nwireguard: {}\n", "wireguard, write_files"],
  ["ssh_authorised_keys: [x]\n", "ssh_authorised_keys (did you mean ssh_authorized_keys?)"],
  ["hostnam: attic\nHostname: attic\n", "Hostname (did you mean hostname?), hostnam (did you mean hostname?)"],
  [
    "users:\n- {name: pi, shell: /bin/sh, ssh-authorized-keys: [x]}\n",
    "ssh-authorized-keys (did you mean ssh_authorized_keys?) of a user",
  ],
  ["user: {name: pi, ssh_keys: [x]}\n", "ssh_keys of a user"],
  ['"two words": 1\n"\\e[31m": 1\n', "a line whose key is no word"],
  [
    Array.from({ length: 10 }, (_, at) => `own${at}: 1\n`).join(""),
    "own0, own1, own2, own3, own4, own5, own6, own7, and 2 more",
  ],
])("what the owner asks for in user-data and does not get is named: %j", (userData, names) => {
  expect(readImagerFiles({ userData }).warnings).toEqual([`not used from user-data: ${names}`]);
});

test("what Imager and templates for cloud-init write and what makes no difference here is not named", () => {
  const userData =
    "manage_etc_hosts: true\npreserve_hostname: true\nenable_ssh: true\nssh_pwauth: true\napt: {conf: x}\nfinal_message: hi\n" +
    `user: {name: pi, lock_passwd: true, sudo: null, ssh_authorized_keys: ['${plainKey}']}\nusers: [default]\n`;
  expect(readImagerFiles({ userData }).warnings).toEqual([]);
});

test("a password for cloud-init's default user gets a warning to give a key", () => {
  expect(readImagerFiles({ userData: "password: raspberry\n" }).warnings).toEqual([
    "passwords are not supported: give an SSH key",
  ]);
});

test.each(["psk", "sae"])("a protected Wi-Fi (%s) without its password is not taken for an open one", (management) => {
  const networkConfig = `wifis: {wlan0: {access-points: {home: {auth: {key-management: ${management}}}}}}`;
  const { settings: found, warnings } = readImagerFiles({ networkConfig });
  expect([found, warnings]).toEqual([{}, [`the Wi-Fi is protected (${management}), and its password is missing`]]);
});

test("config-syntax: lines that end as on an old Mac are lines, not one comment", () => {
  expect(readImagerFiles({ userData: "#cloud-config\rhostname: attic\r" }).settings).toEqual({ name: "attic" });
});

test.each([
  ["network: {version: 2, vlans: {vlan7: {id: 7, link: eth0}}}", "vlans"],
  ["network: {version: 1, config: [{type: physical, name: eth0}]}", "config"],
  ["network: {version: 2}\nwifis: {wlan0: {dhcp4: true}}", "wifis"],
  ["wifis: {wlan0: {dhcp4: true, regulatory-domain: DE}}", "regulatory-domain of wlan0"],
  ["wifis: {wlan0: {access-points: {home: {password: secret123, bssid: '02:00:00:00:00:01'}}}}", "bssid of wlan0"],
])("what the owner asks for in network-config and does not get is named: %s", (networkConfig, names) => {
  expect(readImagerFiles({ networkConfig }).warnings).toEqual([`not used from network-config: ${names}`]);
});

test.each([
  ["{auth: {key-management: eap, method: peap, identity: me, password: secret123}}", "has a login (eap)"],
  ["{auth: {method: ttls, identity: me, password: secret123}}", "has a login (802.1X)"],
  ["{mode: ap, password: secret123}", "is of the mode ap"],
])("a Wi-Fi that this system cannot join is not taken for one with a password: %s", (point, why) => {
  const networkConfig = `wifis: {wlan0: {access-points: {home: ${point}}}}`;
  const { settings: found, warnings } = readImagerFiles({ networkConfig });
  expect([found, warnings]).toEqual([{}, [`the Wi-Fi ${why}, which is not supported`]]);
});
