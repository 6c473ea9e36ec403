import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { provision } from "../../../cli/commands/card/provision.ts";
import { init } from "../../../cli/commands/neighborhood/init.ts";
import { tokenCreate } from "../../../cli/commands/neighborhood/token-create.ts";
import { type Command, parseInput } from "../../../cli/terminal/command.ts";
import { readProvisionBlock } from "../../../image/card/provision.ts";
import { blankProvisionBlock, decodeProvisionFile } from "../../../provisioning/file/provision-file.ts";
import { TokenFile } from "../../../provisioning/neighborhood/issue-token.ts";
import { silentProgress } from "../../../system/progress.ts";
import { makeDisk } from "../../image/disk/disk.ts";
import { releaseRoot } from "../../provisioning/file/release-root.ts";

let home: string;
let elm: string;
let card: string;
const secret = "correct horse battery";
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "hamlet-commands-"));
  [elm, card] = [join(home, "elm"), join(home, "card")];
  await writeFile(join(home, "passphrase"), `${secret}\n`);
  await writeFile(join(home, "wifi"), "password of the house\n");
  await writeFile(
    join(home, "key.pub"),
    "# mine\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsxJtkGDeJ7D4gJxKJ5Lw1CeTtJyRyfvRmHN9k4wkNn me@home\n",
  );
  await mkdir(join(card, "hamlet"), { recursive: true });
  const about = {
    format: 1,
    board: "nuc",
    version: "0.1.0",
    inputs: "0".repeat(64),
    builtS: 1,
    rootHash: "0".repeat(64),
    sizeBytes: 1,
    parts: {},
  };
  await writeFile(join(card, "hamlet/image.json"), JSON.stringify(about));
  await writeFile(join(card, "hamlet/provision.json"), blankProvisionBlock());
  await run(init, [elm, "--name", "Elm Street"]);
});
afterAll(() => rm(home, { recursive: true, force: true }));
afterEach(() => void vi.unstubAllEnvs());

/** What the command printed, its notes apart. The passphrase comes from its file unless `withPassphrase` is false. */
async function run(
  command: Command,
  argv: string[],
  { withPassphrase = true } = {},
): Promise<{ out: string; notes: string }> {
  const [out, notes]: [string[], string[]] = [[], []];
  const more = withPassphrase ? ["--passphrase-file", join(home, "passphrase")] : ["--yes"];
  const context = {
    print: (line: string) => out.push(line),
    note: (line: string) => notes.push(line),
    progress: silentProgress,
  };
  expect(await command.run(parseInput(command, [...argv, ...more], {}), context)).toBe(0);
  return { out: out.join("\n"), notes: notes.join("\n") };
}
const block = async () => readFile(join(card, "hamlet/provision.json"));
const provisioned = async () => decodeProvisionFile(await block());

test("init says what to do with the sheet, and never prints a secret", async () => {
  const { out, notes } = await run(init, [join(home, "oak"), "--name", "Oak", "--json"]);
  expect(JSON.parse(out)).toMatchObject({ name: "Oak", folder: join(home, "oak") });
  expect(notes).toContain("print ");
  await expect(run(init, [join(home, "oak"), "--name", "Oak"])).rejects.toMatchObject({ code: "neighborhood.exists" });
  await expect(run(init, [join(home, "fir")])).rejects.toMatchObject({ code: "usage.invalid", exitCode: 2 });
  await run(init, [join(home, "oak2"), "--recover", join(home, "oak/recovery.txt")]);
  const idOf = async (folder: string) => JSON.parse(await readFile(join(home, folder, "neighborhood.json"), "utf8")).id;
  expect(await idOf("oak2")).toBe(await idOf("oak"));
});

test("init without a passphrase or a terminal fails without asking and makes nothing", async () => {
  delete process.env["HAMLET_PASSPHRASE"];
  const asked = run(init, [join(home, "fir"), "--name", "Fir"], { withPassphrase: false });
  await expect(asked).rejects.toMatchObject({ code: "neighborhood.noPassphrase", exitCode: 2 });
  expect(await readdir(home)).not.toContain("fir");
});

test("token create keeps to its terms, and the file is for its owner only", async () => {
  const path = join(home, "token.json");
  const { out } = await run(tokenCreate, [
    "--neighborhood",
    elm,
    "--max-devices",
    "3",
    "--tag",
    "home",
    "-o",
    path,
    "--json",
  ]);
  expect(JSON.parse(out)).toMatchObject({ maxDevices: 3, tags: ["home"], adopt: "auto" });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const { tokenKey } = TokenFile.parse(JSON.parse(await readFile(path, "utf8")));
  expect(out).not.toContain(tokenKey);
  for (const wrong of [
    ["--expires", "soon"],
    ["--max-devices", "0"],
    ["--adopt", "maybe"],
    ["--tag", "No Tag"],
  ]) {
    const refused = run(tokenCreate, ["--neighborhood", elm, "-o", path, ...wrong]);
    await expect(refused).rejects.toMatchObject({ code: "usage.invalid", exitCode: 2 });
  }
});

test("token create overwrites nothing, least of all the root key", async () => {
  const key = join(elm, "root.key");
  const before = await readFile(key, "utf8");
  const onto = (path: string) => run(tokenCreate, ["--neighborhood", elm, "-o", path]);
  await expect(onto(key)).rejects.toMatchObject({ code: "file.exists", exitCode: 3 });
  await expect(onto(elm)).rejects.toMatchObject({ code: "usage.invalid" });
  expect(await readFile(key, "utf8")).toBe(before);
});

test("provision makes a card a device, says that it holds a secret, and writes the same bytes if repeated", async () => {
  const words = [
    card,
    "--neighborhood",
    elm,
    "--name",
    "attic",
    "--ssh-key",
    join(home, "key.pub"),
    "--seed",
    "10.0.0.1:7780",
    "--timezone",
    "Europe/Berlin",
  ];
  const wifi = ["--wifi-ssid", "home", "--wifi-password-file", join(home, "wifi")];
  const { out, notes } = await run(provision, [...words, ...wifi, "--json"]);
  expect(JSON.parse(out)).toMatchObject({
    name: "attic",
    board: "nuc",
    holdsSecret: true,
    token: { maxDevices: 1, isNew: true },
  });
  expect(notes).toContain("secret");
  expect(await provisioned()).toMatchObject({
    name: "attic",
    board: "nuc",
    neighborhood: { name: "Elm Street" },
    sshKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsxJtkGDeJ7D4gJxKJ5Lw1CeTtJyRyfvRmHN9k4wkNn me@home"],
    seeds: ["10.0.0.1:7780"],
    timezone: "Europe/Berlin",
    network: { wifi: { ssid: "home", password: "password of the house" } },
  });
  const first = await block();
  // The token is there already: no passphrase is asked for.
  expect(
    JSON.parse((await run(provision, [...words, ...wifi, "--json"], { withPassphrase: false })).out).token.isNew,
  ).toBe(false);
  expect((await block()).equals(first)).toBe(true);
});

test("provision with a token file needs no passphrase", async () => {
  const path = join(home, "guest.json");
  await run(tokenCreate, ["--neighborhood", elm, "-o", path]);
  await run(provision, [card, "--token", path, "--name", "cellar"], { withPassphrase: false });
  expect((await provisioned()).name).toBe("cellar");
  const other = run(provision, [card, "--token", path, "--neighborhood", join(home, "oak"), "--name", "cellar"]);
  await expect(other).rejects.toMatchObject({ code: "usage.invalid" });
});

test("provision refuses wrong input before it writes anything", async () => {
  const before = await block();
  const base = [card, "--neighborhood", elm];
  await writeFile(join(home, "config.json"), "[1]");
  const cases: [string[], string][] = [
    [[...base, "--name", "attic", "--board", "rpi4"], "provision.wrongBoard"],
    [[...base, "--name", "Attic!"], "usage.invalid"],
    [[...base, "--name", "attic", "--ssh-key", join(home, "wifi")], "usage.invalid"],
    [[...base, "--name", "attic", "--ssh-key", join(home, "none")], "file.unreadable"],
    [[...base, "--name", "attic", "--gateway", "10.0.0.1"], "usage.invalid"],
    [[...base, "--name", "attic", "--timezone", "Berlin"], "usage.invalid"],
    [[...base, "--name", "attic", "--seed", "attic.example.org:70000"], "usage.invalid"],
    [[...base, "--name", "attic", "--seed", "192.168.1.300:7780"], "usage.invalid"],
    [[...base, "--name", "attic", "--config", join(home, "config.json")], "usage.invalid"],
    [[card, "--name", "attic"], "usage.invalid"],
    [[card, "--neighborhood", join(home, "nowhere"), "--name", "attic"], "neighborhood.notFound"],
    [[elm, "--neighborhood", elm, "--name", "attic"], "image.notOurs"],
    [[join(home, "nowhere.img"), "--neighborhood", elm, "--name", "attic"], "image.notOurs"],
  ];
  for (const [argv, code] of cases) await expect(run(provision, argv)).rejects.toMatchObject({ code });
  expect((await block()).equals(before)).toBe(true);
});

test("a time zone that does not exist is refused with the one that was probably meant", async () => {
  const refused = run(provision, [card, "--neighborhood", elm, "--name", "attic", "--timezone", "Berlin"]);
  const message = "--timezone: is not a time zone; did you mean Europe/Berlin?";
  await expect(refused).rejects.toMatchObject({ code: "usage.invalid", exitCode: 2, message });
});

test("the country of a Wi-Fi is one that the kernel knows, in any case", async () => {
  const wifi = ["--wifi-ssid", "Home", "--wifi-open"];
  const base = [card, "--neighborhood", elm, "--name", "attic", ...wifi];
  await run(provision, [...base, "--wifi-country", "de"]);
  expect((await provisioned()).network?.wifi?.country).toBe("DE");
  for (const [country, said] of [
    ["UK", "--wifi-country UK is not the code of a country; did you mean GB?"],
    ["Germany", "--wifi-country Germany is not the code of a country, such as DE"],
    ["QX", "--wifi-country QX is not the code of a country, such as DE"],
  ] as const) {
    const refused = run(provision, [...base, "--wifi-country", country]);
    await expect(refused).rejects.toMatchObject({ code: "usage.invalid", exitCode: 2, message: said });
  }
});

test.each([
  ['{"name": "porch"}', /cannot set name: give --name/],
  ['{"stateFolder": "/tmp", "board": "rpi4"}', /cannot set board, stateFolder/],
])("a setting in --config that no card can set is refused, not ignored: %s", async (text, said) => {
  const path = join(home, "fixed.json");
  await writeFile(path, text);
  const refused = run(provision, [card, "--neighborhood", elm, "--name", "attic", "--config", path]);
  await expect(refused).rejects.toMatchObject({
    code: "usage.invalid",
    exitCode: 2,
    message: expect.stringMatching(said),
  });
});

test("provision does not overwrite a card of another neighborhood without --force", async () => {
  await run(init, [join(home, "ash"), "--name", "Ash"]);
  await run(provision, [card, "--neighborhood", elm, "--name", "attic"]);
  const before = await block();
  const argv = [card, "--neighborhood", join(home, "ash"), "--name", "attic"];
  const refused = { code: "provision.otherNeighborhood", exitCode: 3, message: expect.stringContaining("Elm Street") };
  await expect(run(provision, argv)).rejects.toMatchObject(refused);
  expect(await block()).toEqual(before);
  await run(provision, [...argv, "--force"]);
  expect((await provisioned()).neighborhood.name).toBe("Ash");
  await writeFile(join(card, "hamlet/provision.json"), blankProvisionBlock());
});

test("one image gives any number of devices and stays as it was built", async () => {
  const image = join(home, "disk.img");
  await makeDisk(image);
  await truncate(image, 64 << 20);
  const before = await readFile(image);
  for (const name of ["attic", "cellar"]) {
    const copy = join(home, `${name}.img`);
    await run(provision, [image, "-o", copy, "--neighborhood", elm, "--name", name]);
    expect(decodeProvisionFile(await readProvisionBlock(copy))).toMatchObject({ name, board: "nuc" });
    const facts = await stat(copy);
    expect(facts.mode & 0o777).toBe(0o600);
    expect([facts.size, facts.blocks * 512 < 16 << 20]).toEqual([64 << 20, true]);
  }
  expect((await readFile(image)).equals(before)).toBe(true);
  const attic = join(home, "attic.img");
  const token = decodeProvisionFile(await readProvisionBlock(attic)).token;
  await run(provision, [image, "-o", attic, "--neighborhood", elm, "--name", "attic"], { withPassphrase: false });
  expect(decodeProvisionFile(await readProvisionBlock(attic)).token).toBe(token);
  expect((await readdir(home)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
});

test("provision does not overwrite the copy of another device without --force", async () => {
  const [image, attic] = [join(home, "disk.img"), join(home, "attic.img")];
  const words = [image, "-o", attic, "--neighborhood", elm];
  await run(provision, [...words, "--name", "attic"]);
  const before = await readProvisionBlock(attic);
  const refused = {
    code: "provision.otherDevice",
    exitCode: 3,
    message: expect.stringContaining("attic of Elm Street"),
  };
  await expect(run(provision, [...words, "--name", "cellar"])).rejects.toMatchObject(refused);
  await expect(run(provision, words)).rejects.toMatchObject(refused);
  expect((await readProvisionBlock(attic)).equals(before)).toBe(true);
  await run(provision, [...words, "--name", "cellar", "--force"]);
  expect(decodeProvisionFile(await readProvisionBlock(attic)).name).toBe("cellar");
});

test("a Wi-Fi without a password needs --wifi-open", async () => {
  await writeFile(join(card, "hamlet/provision.json"), blankProvisionBlock());
  await writeFile(join(home, "empty"), "\n");
  const words = [card, "--neighborhood", elm, "--name", "attic"];
  for (const wrong of [
    ["--wifi-ssid", "home"],
    ["--wifi-ssid", "home", "--wifi-password-file", join(home, "empty")],
    ["--wifi-ssid", "home", "--wifi-password-file", join(home, "wifi"), "--wifi-open"],
    ["--wifi-open"],
    ["--wifi-hidden"],
  ]) {
    await expect(run(provision, [...words, ...wrong])).rejects.toMatchObject({ code: "usage.invalid", exitCode: 2 });
  }
  expect(await block()).toEqual(blankProvisionBlock());
  await run(provision, [...words, "--wifi-ssid", "home", "--wifi-open"]);
  expect((await provisioned()).network).toEqual({ wifi: { ssid: "home" } });
  // An access point that does not send its name answers only who asks for it.
  await run(provision, [...words, "--wifi-ssid", "home", "--wifi-open", "--wifi-hidden"]);
  expect((await provisioned()).network).toEqual({ wifi: { ssid: "home", hidden: true } });
  await writeFile(join(card, "hamlet/provision.json"), blankProvisionBlock());
});

test("a Wi-Fi password in the environment is used, and refused without the name of its Wi-Fi", async () => {
  await writeFile(join(card, "hamlet/provision.json"), blankProvisionBlock());
  const words = [card, "--neighborhood", elm, "--name", "attic"];
  vi.stubEnv("HAMLET_WIFI_PASSWORD", "secret123");
  await expect(run(provision, words)).rejects.toMatchObject({
    ...{ code: "usage.invalid", exitCode: 2, message: "HAMLET_WIFI_PASSWORD is set, but --wifi-ssid is missing" },
  });
  expect(await block()).toEqual(blankProvisionBlock());
  await run(provision, [...words, "--wifi-ssid", "home"]);
  expect((await provisioned()).network).toEqual({ wifi: { ssid: "home", password: "secret123" } });
  // Tools write "unset" so.
  vi.stubEnv("HAMLET_WIFI_PASSWORD", " ");
  await run(provision, words);
  expect((await provisioned()).network).toBeUndefined();
  await writeFile(join(card, "hamlet/provision.json"), blankProvisionBlock());
});

test("a copy never replaces a file that is not a copy of the image", async () => {
  const image = join(home, "disk.img");
  await writeFile(join(home, "thesis.img"), "years of work");
  for (const out of [join(home, "thesis.img"), image]) {
    const refused = run(provision, [image, "-o", out, "--neighborhood", elm, "--name", "attic"]);
    await expect(refused).rejects.toMatchObject({ code: "file.exists", exitCode: 3 });
  }
  expect(await readFile(join(home, "thesis.img"), "utf8")).toBe("years of work");
  const folder = run(provision, [card, "-o", join(home, "x.img"), "--neighborhood", elm, "--name", "attic"]);
  await expect(folder).rejects.toMatchObject({ code: "usage.invalid" });
});

test("config-syntax: a syntax error in --config or an unknown setting is reported before anything is written", async () => {
  const before = await block();
  const path = join(home, "agent.json");
  const words = [card, "--neighborhood", elm, "--name", "attic", "--config", path];
  for (const [content, code, told] of [
    ['{\n  "mesh": {},\n}', "file.invalid", "agent.json is not JSON: line 3, column 1: unexpected '}'"],
    [
      '\ufeff{"mesh": {}}',
      "file.invalid",
      "agent.json is not JSON: line 1, column 1: it begins with a byte order mark",
    ],
    ["", "file.invalid", "agent.json is empty"],
    ['{"mesh": {"mtu": 1400}, "mesh": {}}', "file.invalid", "line 1, column 25: this name appears twice in one object"],
    ['{"mesch": {}}', "usage.invalid", "agent.json: (whole): Unrecognized key"],
    ['{"mesh": {"mtu": 1}}', "usage.invalid", "agent.json: mesh.mtu: "],
    [
      '{"link": {"pagePort": 7946}}',
      "usage.invalid",
      "agent.json: link.pagePort: TCP port 7946 is that of cluster.port",
    ],
    ['{"seeds": ["attic:7780", "attic 7780"]}', "usage.invalid", "agent.json: seeds: 'attic 7780' is not host:port"],
  ] as const) {
    await writeFile(path, content);
    const refused = { code, message: expect.stringContaining(told), hint: expect.any(String) };
    await expect(run(provision, words)).rejects.toMatchObject(refused);
  }
  await rm(path);
  await expect(run(provision, words)).rejects.toMatchObject({ code: "file.unreadable" });
  expect((await block()).equals(before)).toBe(true);
  await writeFile(path, '{"mesh": {"mtu": 1400}}');
  await run(provision, words);
  expect((await provisioned()).config).toEqual({ mesh: { mtu: 1400 } });
  await writeFile(join(card, "hamlet/provision.json"), blankProvisionBlock());
});

test("config-syntax: a byte order mark is not part of a passphrase, a Wi-Fi password or a recovery sheet", async () => {
  const marked = async (name: string, text: string) => {
    await writeFile(join(home, name), `\ufeff${text}`);
    return join(home, name);
  };
  const more = ["--passphrase-file", await marked("passphrase-bom", `${secret}\r\n`)];
  const wifi = ["--wifi-ssid", "home", "--wifi-password-file", await marked("wifi-bom", "secret123\r\n")];
  await run(provision, [card, "--neighborhood", elm, "--name", "attic", ...wifi, ...more], { withPassphrase: false });
  expect((await provisioned()).network?.wifi?.password).toBe("secret123");
  await run(init, [
    join(home, "elm3"),
    "--recover",
    await marked("sheet", await readFile(join(elm, "recovery.txt"), "utf8")),
  ]);
  await writeFile(join(home, "wide"), Buffer.from("\ufeffsecret123", "utf16le"));
  const wide = [card, "--neighborhood", elm, "--name", "attic", ...wifi.slice(0, 3), join(home, "wide")];
  await expect(run(provision, wide)).rejects.toMatchObject({
    code: "file.invalid",
    message: expect.stringContaining("UTF-16LE"),
  });
  await writeFile(join(card, "hamlet/provision.json"), blankProvisionBlock());
});

test("ssh-key-file: options reach the device, skipped lines are reported, and a private key is refused in one line", async () => {
  const [, ed25519 = ""] = (await readFile(join(home, "key.pub"), "utf8")).split("\n");
  const path = join(home, "several");
  const words = [card, "--neighborhood", elm, "--name", "attic", "--ssh-key", path];
  await writeFile(
    path,
    `\ufeff\t from="10.0.0.0/8"  ${ed25519}\r\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9 cut off\r\n`,
  );
  const { notes } = await run(provision, words);
  expect((await provisioned()).sshKeys).toEqual([`from="10.0.0.0/8" ${ed25519}`]);
  expect(notes).toContain(`skipped: line 2 of ${path} has a key that is cut off or damaged`);
  await writeFile(path, "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n");
  await expect(run(provision, words)).rejects.toMatchObject({
    code: "usage.invalid",
    message: `${path} is a private key, which must stay with you`,
    hint: expect.stringContaining(`give ${path}.pub`),
  });
  await writeFile(path, Array.from({ length: 17 }, (_, index) => `${ed25519}${index}\n`).join(""));
  await expect(run(provision, words)).rejects.toMatchObject({
    message: "17 SSH keys are given, but at most 16 are allowed",
  });
  await writeFile(path, "");
  await expect(run(provision, words)).rejects.toMatchObject({ code: "usage.invalid" });
  await writeFile(join(card, "hamlet/provision.json"), blankProvisionBlock());
});

test("wifi-static: a static address belongs to the Wi-Fi if there is one, or to the link of --address-on, and the output says so", async () => {
  await writeFile(join(card, "hamlet/provision.json"), blankProvisionBlock());
  const words = [card, "--neighborhood", elm, "--name", "attic"];
  const wifi = ["--wifi-ssid", "home", "--wifi-password-file", join(home, "wifi")];
  const address = ["--address", "192.168.1.5/24", "--gateway", "192.168.1.1", "--dns", "192.168.1.1"];
  for (const [more, link, told] of [
    [[...wifi, ...address], "wl*", "its Wi-Fi has the address 192.168.1.5/24; a cable uses DHCP"],
    [address, "e*", "its cable has the address 192.168.1.5/24; a Wi-Fi uses DHCP"],
    [[...wifi, ...address, "--address-on", "cable"], "e*", "its cable has the address"],
    [[...address, "--address-on", "wifi"], "wl*", "its Wi-Fi has the address"],
  ] as const) {
    const { out, notes } = await run(provision, [...words, ...more]);
    expect((await provisioned()).network?.staticAddress).toEqual({
      ...{ interface: link, address: "192.168.1.5/24", gateway: "192.168.1.1", dns: ["192.168.1.1"] },
    });
    expect(out).toContain(told);
    expect(notes.includes("without --wifi-ssid")).toBe(more.includes("wifi" as never));
  }
  const lonely = await run(provision, [...words, "--address", "192.168.1.5/24", "--json"]);
  expect(JSON.parse(lonely.out).address).toEqual({ on: "cable", interface: "e*", address: "192.168.1.5/24" });
  expect(lonely.notes).toContain("without --gateway the device reaches only the network of 192.168.1.5/24");
  const before = await block();
  for (const [wrong, message] of [
    [["--address", "192.168.1.5/24", "--gateway", "10.0.0.1"], "--gateway: 10.0.0.1 is not in 192.168.1.0/24"],
    [["--address", "192.168.1.5/24", "--gateway", ""], "--gateway: is not an IP address"],
    [["--address", "192.168.1.5/24", "--dns", "127.0.0.53"], "--dns: 127.0.0.53 is a loopback address"],
    [["--address", "192.168.1.255/24"], "--address: 192.168.1.255 is the broadcast address"],
    [["--address", "192.168.1.5"], "--address: is not an address with prefix"],
    [["--address", "192.168.1.5/24", "--address-on", "eth0"], "--address-on must be wifi or cable, not 'eth0'"],
    [["--address-on", "wifi"], "--address is missing"],
  ] as const) {
    const refused = { code: "usage.invalid", exitCode: 2, message: expect.stringContaining(message) };
    await expect(run(provision, [...words, ...wrong])).rejects.toMatchObject(refused);
  }
  expect((await block()).equals(before)).toBe(true);
  await writeFile(join(card, "hamlet/provision.json"), blankProvisionBlock());
});

test("provision replaces the image's repositories and release root, and refuses a file that is no root", async () => {
  const path = join(home, "1.root.json");
  await writeFile(path, JSON.stringify(releaseRoot()));
  const words = [card, "--neighborhood", elm, "--name", "attic", "--force"];
  await run(provision, [...words, "--repository", "https://a.example", "--release-root", path]);
  expect((await provisioned()).update).toEqual({ repositories: ["https://a.example/"], releaseRoot: releaseRoot() });
  await writeFile(path, "{}");
  await expect(run(provision, [...words, "--release-root", path])).rejects.toMatchObject({ code: "file.invalid" });
  await expect(run(provision, [...words, "--repository", "a.example"])).rejects.toMatchObject({
    code: "usage.invalid",
  });
  await run(provision, words);
  expect((await provisioned()).update).toBeUndefined();
});
