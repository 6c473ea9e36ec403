// A card by Raspberry Pi Imager, through the first boots of a device.
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  blankProvisionBlock,
  encodeProvisionFile,
  type ProvisionFile,
} from "../../../provisioning/file/provision-file.ts";
import { firstBoot } from "../../../provisioning/firstboot/firstboot.ts";
import { type Paths, pathsUnder } from "../../../provisioning/firstboot/paths.ts";
import { freshReport } from "../../../provisioning/handover/report.ts";
import { seedOf } from "../../../provisioning/trust/keys.ts";
import { silentLog } from "../../../system/log.ts";
import { makeStreet, makeToken, monday } from "../../street.ts";
import { imagerFiles, pskOf, type Settings } from "./imager-card.ts";

const elm = makeStreet();
const token = await makeToken(elm);
const bare: ProvisionFile = {
  v: 1,
  neighborhood: { id: elm.keys.id, name: "Elm Street", rootKey: elm.keys.rootKey, successorKey: elm.keys.successorKey },
  token: token.jws,
  tokenKey: seedOf(token.key),
};
const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9 me@home";
const ssid = 'Ada\'s "☕" $HOME';
const password = "pa$$ 'word' \"x\"";
const full: Settings = {
  ...{ hostname: "attic", timezone: "Europe/Prague", keyboard: "cz", user: "ada", passwordHash: "$y$j9T$salt$hash" },
  sshKeys: [key],
  wifi: { ssid, password, country: "CZ" },
};

let root: string;
let paths: Paths;
const uid = process.getuid?.() || 990;
const gid = process.getgid?.() || 990;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hamlet-imager-"));
  paths = pathsUnder(root);
  await put(paths.passwd, `hamlet:x:${uid}:${gid}::/nonexistent:/usr/sbin/nologin\n`);
  await put(paths.agentConfig, '{"board":"rpi4","release":"0.1.0"}');
  await put(paths.kernelHostname, "hamlet");
  await put(paths.provisionFile, blankProvisionBlock());
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function put(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}
async function writeCard(settings: Settings): Promise<void> {
  for (const [name, content] of Object.entries(imagerFiles(settings))) await put(join(paths.bootFolder, name), content);
}
const boot = () => firstBoot(paths, { log: silentLog, now: monday, run: async () => "" });
const text = (path: string) => readFile(path, "utf8").catch(() => undefined);
const json = async (path: string) => JSON.parse((await text(path)) ?? "null");
/** All files under `folder` with what is in them. */
async function treeOf(folder: string): Promise<Record<string, string>> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    await Promise.all(paths.sort().map(async (path) => [path, await readFile(path, "latin1")])),
  );
}

test("hostname, time zone, SSH key and Wi-Fi apply without a token, and leave nothing on the card", async () => {
  await writeCard(full);
  await boot();
  expect([await text(paths.hostname), await text(paths.kernelHostname)]).toEqual(["attic\n", "attic"]);
  expect(await text(paths.timezone)).toBe("Europe/Prague\n");
  expect(await text(paths.authorizedKeys)).toBe(`${key}\n`);
  const conf = await text(paths.wpaSupplicant);
  expect(conf).toContain(`ssid=${Buffer.from(ssid).toString("hex")}\n`);
  expect(conf).toContain(`psk=${pskOf(password, ssid)}\n`);
  expect(conf).toContain("country=CZ\n");
  for (const path of [paths.wpaSupplicant, paths.authorizedKeys, paths.imager])
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await text(paths.provision)).toBeUndefined();
  expect(await text(paths.problems)).toBeUndefined();
  expect(await readdir(paths.bootFolder)).toEqual(["hamlet"]);
  expect(JSON.stringify(await treeOf(paths.bootFolder))).not.toMatch(/salt|hash|AAAAC3|☕|attic/);
});

test("a second boot changes nothing", async () => {
  await writeCard(full);
  await boot();
  const before = await treeOf(root);
  const inode = (await stat(paths.wpaSupplicant)).ino;
  await boot();
  expect(await treeOf(root)).toEqual(before);
  expect((await stat(paths.wpaSupplicant)).ino).toBe(inode);
});

test("for a user with a password and no key, the page says what to give instead; the rest applies", async () => {
  await writeCard({ hostname: "attic", user: "ada", passwordHash: "$y$j9T$salt$hash" });
  await boot();
  expect(await json(paths.problems)).toMatchObject({
    code: "imager.refused",
    message: expect.stringContaining("passwords are not supported: give an SSH key"),
  });
  expect(await text(paths.hostname)).toBe("attic\n");
  expect(await text(paths.authorizedKeys)).toBeUndefined();
  await boot();
  expect(await json(paths.problems)).toMatchObject({ code: "imager.refused" }); // until it is somebody
});

test("the provision file overrides Imager's settings and leaves the others", async () => {
  await writeCard(full);
  await put(paths.provisionFile, encodeProvisionFile({ ...bare, name: "cellar", timezone: "Asia/Kolkata" }));
  await boot();
  expect(await text(paths.timezone)).toBe("Asia/Kolkata\n");
  expect(await text(paths.hostname)).toBe("cellar\n");
  expect(await json(paths.provision)).toMatchObject({ name: "cellar", token: bare.token });
  expect(await text(paths.wpaSupplicant)).toContain(pskOf(password, ssid));
  expect(await text(paths.authorizedKeys)).toBe(`${key}\n`);
});

test("a token added a day later keeps the Wi-Fi from Imager", async () => {
  await writeCard(full);
  await boot();
  await put(paths.provisionFile, encodeProvisionFile(bare));
  await boot();
  expect(await text(paths.wpaSupplicant)).toContain(pskOf(password, ssid));
  expect(await json(paths.provision)).toMatchObject({ name: "attic", token: bare.token });
  const secrets = JSON.stringify(await treeOf(dirname(paths.provision)));
  expect(secrets).not.toContain(pskOf(password, ssid)); // root's alone
});

test.each(["user-data", "network-config"])("a power cut during the wipe of %s loses nothing", async (half) => {
  await writeCard(full);
  const files = imagerFiles(full);
  await boot();
  const wanted = [await text(paths.hostname), await text(paths.authorizedKeys), await text(paths.wpaSupplicant)];
  // As the card was in the midst of it: this file half zeros, those that come after it whole.
  await put(join(paths.bootFolder, "meta-data"), files["meta-data"]!);
  if (half === "network-config") await put(join(paths.bootFolder, "user-data"), files["user-data"]!);
  await put(join(paths.bootFolder, half), `${"\0".repeat(90)}${files[half]!.slice(90)}`);
  await boot();
  expect([await text(paths.hostname), await text(paths.authorizedKeys), await text(paths.wpaSupplicant)]).toEqual(
    wanted,
  );
  expect(await readdir(paths.bootFolder)).toEqual(["hamlet"]);
});

test("a malformed file is reported by code, stays on the card to be fixed, and stops neither the boot nor the provision file", async () => {
  await writeCard(full);
  await put(join(paths.bootFolder, "network-config"), "wifis: [");
  await boot();
  expect(await json(paths.problems)).toMatchObject({
    code: "imager.invalid",
    hint: expect.stringContaining("network-config"),
  });
  expect(await text(join(paths.bootFolder, "user-data"))).toContain("attic");
  expect(await text(paths.hostname)).toBeUndefined();
  await put(paths.provisionFile, encodeProvisionFile({ ...bare, name: "cellar" }));
  await boot();
  expect(await json(paths.provision)).toMatchObject({ name: "cellar" });
  await put(join(paths.bootFolder, "network-config"), imagerFiles(full)["network-config"]!);
  await rm(paths.provision);
  await boot();
  expect(await text(paths.wpaSupplicant)).toContain(pskOf(password, ssid));
  expect(await text(paths.problems)).toBeUndefined();
});

test("config-syntax: a file of Imager's that an editor saved in another encoding is read, or named in the report", async () => {
  await writeCard(full);
  const userData = imagerFiles(full)["user-data"]!;
  await put(join(paths.bootFolder, "user-data"), Buffer.from(`\ufeff${userData}`, "utf16le"));
  await boot();
  expect(await json(paths.problems)).toMatchObject({
    code: "imager.invalid",
    message: expect.stringContaining("user-data on the card is UTF-16LE text, not UTF-8"),
    hint: expect.stringContaining("fix user-data"),
  });
  await put(join(paths.bootFolder, "user-data"), `\ufeff${userData.replaceAll("\n", "\r\n")}`);
  await boot();
  expect([await text(paths.hostname), await text(paths.problems)]).toEqual(["attic\n", undefined]);
});

test("another format by Imager is reported, and the password in it is wiped", async () => {
  await put(join(paths.bootFolder, "firstrun.sh"), "#!/bin/sh\necho secret\n");
  await put(join(paths.bootFolder, "cmdline.txt"), " systemd.run=/boot/firstrun.sh systemd.run_success_action=reboot");
  await boot();
  expect(await json(paths.problems)).toMatchObject({
    code: "imager.refused",
    message: expect.stringContaining("firstrun.sh"),
  });
  expect(await readdir(paths.bootFolder)).toEqual(["hamlet"]);
});

describe("the card of a device that has its identity", () => {
  const become = async (admissions: string[]) => {
    const identity = { provision: { token: bare.token, neighborhood: { id: elm.keys.id }, name: "cellar" } };
    await put(paths.identity, JSON.stringify(identity));
    await put(paths.standing, JSON.stringify({ admissions }));
    await put(paths.hostname, "cellar\n");
    await put(paths.activeConsoles, "tty0\n");
    await put(join(paths.dev, "tty1"), "");
    await put(paths.cardReport, freshReport());
  };
  const told = async () => (await text(join(paths.dev, "tty1")))! + (await text(paths.cardReport))!;

  test.each([[[]], [[`${"a".repeat(26)}.${"b".repeat(86)}`]]])(
    "card-after-first-boot: admitted by %j: SSH key and Wi-Fi are taken and reported; the hostname is reported with the command that sets it",
    async (admissions) => {
      await become(admissions);
      const before = await text(paths.identity);
      await writeCard(full);
      await boot();
      expect(await text(paths.authorizedKeys)).toBe(`${key}\n`);
      expect(await text(paths.wpaSupplicant)).toContain(pskOf(password, ssid));
      expect([await text(paths.hostname), await text(paths.kernelHostname), await text(paths.identity)]).toEqual([
        "cellar\n",
        "hamlet",
        before,
      ]);
      expect(await told()).toContain("taken from the card: SSH keys, Wi-Fi, time zone");
      expect(await text(paths.timezone)).toBe("Europe/Prague\n");
      const hint = "type on the device: hamlet rename attic";
      expect(await json(paths.problems)).toMatchObject({
        code: "imager.refused",
        message: expect.stringContaining("attic"),
        hint,
      });
      expect(await told()).toContain(hint);
      expect((await readdir(paths.bootFolder)).sort()).toEqual(["hamlet"]);
      // It was news once.
      await boot();
      expect(await text(paths.problems)).toBeUndefined();
    },
  );

  test("card-after-first-boot: a key added by hand to user-data alone is taken; other settings stay", async () => {
    await become([`${"a".repeat(26)}.${"b".repeat(86)}`]);
    await writeCard(full);
    await boot();
    const added = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9 new@laptop";
    await put(join(paths.bootFolder, "user-data"), `#cloud-config\nssh_authorized_keys:\n- ${added}\n`);
    await boot();
    expect(await text(paths.authorizedKeys)).toBe(`${added}\n`);
    expect(await text(paths.wpaSupplicant)).toContain(pskOf(password, ssid));
    expect(await text(paths.problems)).toBeUndefined();
  });

  test("card-after-first-boot: files that were taken count as new when put back with a change, but not when put back unchanged", async () => {
    await become([`${"a".repeat(26)}.${"b".repeat(86)}`]);
    await writeCard(full);
    await boot();
    const added = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9 new@laptop";
    await writeCard({ ...full, hostname: "cellar", sshKeys: [key, added] });
    await boot();
    expect(await text(paths.authorizedKeys)).toBe(`${key}\n${added}\n`);
    expect(await text(paths.problems)).toBeUndefined();
    await put(paths.authorizedKeys, "changed on the device\n");
    await writeCard({ ...full, hostname: "cellar", sshKeys: [key, added] });
    await boot();
    expect(await text(paths.authorizedKeys)).toBe("changed on the device\n");
    expect(await readdir(paths.bootFolder)).toEqual(["hamlet"]);
    // Beside it another system's file is still named.
    await writeCard({ ...full, hostname: "cellar", sshKeys: [key, added] });
    await put(join(paths.bootFolder, "ssh"), "");
    await boot();
    expect((await json(paths.problems)).message).toContain("ssh is not read");
    expect(await text(paths.authorizedKeys)).toBe("changed on the device\n");
  });

  const unusable: [what: string, files: Record<string, string>, said: RegExp][] = [
    ["a password", { "user-data": "users:\n- name: ada\n  passwd: $y$x\n" }, /passwords are not supported/],
    ["a broken key", { "user-data": "ssh_authorized_keys:\n- ssh-ed25519\n" }, /SSH key/],
    ["a bad hostname", { "user-data": "hostname: 'My Attic'\n" }, /hostname/],
    ["a static address", { "network-config": "ethernets:\n  eth0:\n    addresses: [10.0.0.2/24]\n" }, /static address/],
    [
      "a Wi-Fi with a short password",
      { "network-config": "wifis:\n  w:\n    access-points:\n      a:\n        password: x\n" },
      /Wi-Fi/,
    ],
    ["no YAML", { "user-data": "users: [" }, /user-data/],
    ["another format", { "custom.toml": "[x]" }, /custom\.toml/],
    ["another system's Wi-Fi", { "wpa_supplicant.conf": "network={}" }, /wpa_supplicant\.conf/],
    ["another system's SSH", { ssh: "" }, /ssh is not read/],
  ];
  test.each(unusable)(
    "card-after-first-boot: %s is reported on page, console and card before it is wiped, and changes nothing",
    async (_, files, said) => {
      await become([`${"a".repeat(26)}.${"b".repeat(86)}`]);
      await put(paths.authorizedKeys, "old\n");
      for (const [name, content] of Object.entries(files)) await put(join(paths.bootFolder, name), content);
      await boot();
      expect((await json(paths.problems)).message).toMatch(said);
      expect(await text(join(paths.dev, "tty1"))).toMatch(said);
      expect(await text(paths.cardReport)).toMatch(said);
      expect([await text(paths.authorizedKeys), await text(paths.wpaSupplicant)]).toEqual(["old\n", undefined]);
    },
  );

  test("card-after-first-boot: with an unreadable identity nothing on the card is taken or wiped, and the report says so", async () => {
    await become([]);
    await put(paths.identity, "{");
    await writeCard(full);
    await boot();
    expect(await json(paths.problems)).toMatchObject({
      code: "identity.invalid",
      hint: expect.stringContaining("hamlet reset"),
    });
    expect(await text(join(paths.bootFolder, "user-data"))).toContain("attic");
    expect(await text(paths.authorizedKeys)).toBeUndefined();
  });
});

test("a command line by a person stays", async () => {
  await writeCard({ hostname: "attic" });
  await put(join(paths.bootFolder, "cmdline.txt"), "console=ttyS0 ds=nocloud;i=x");
  await boot();
  expect(await text(join(paths.bootFolder, "cmdline.txt"))).toContain("console=ttyS0");
});

test("file names may be in capitals, because FAT ignores case", async () => {
  for (const [name, content] of Object.entries(imagerFiles(full)))
    await put(join(paths.bootFolder, name.toUpperCase()), content);
  await boot();
  expect(await text(paths.hostname)).toBe("attic\n");
  expect(await readdir(paths.bootFolder)).toEqual(["hamlet"]);
});
