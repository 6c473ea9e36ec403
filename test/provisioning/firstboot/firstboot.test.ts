import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  blankProvisionBlock,
  encodeProvisionFile,
  type ProvisionFile,
} from "../../../provisioning/file/provision-file.ts";
import { firstBoot } from "../../../provisioning/firstboot/firstboot.ts";
import { type Paths, pathsUnder } from "../../../provisioning/firstboot/paths.ts";
import { configFor } from "../../../provisioning/handover/provision.ts";
import { freshReport } from "../../../provisioning/handover/report.ts";
import { seedOf } from "../../../provisioning/trust/keys.ts";
import type { Argv } from "../../../system/command.ts";
import { silentLog } from "../../../system/log.ts";
import { makeStreet, makeToken, monday } from "../../street.ts";
import { releaseRoot } from "../file/release-root.ts";

const elm = makeStreet();
const token = await makeToken(elm);
const file: ProvisionFile = {
  v: 1,
  neighborhood: { id: elm.keys.id, name: "Elm Street", rootKey: elm.keys.rootKey, successorKey: elm.keys.successorKey },
  token: token.jws,
  tokenKey: seedOf(token.key),
  name: "attic",
  board: "nuc",
  sshKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9 me"],
  network: {
    wifi: { ssid: "home", password: "a secret of the house" },
    staticAddress: { interface: "e*", address: "192.168.1.5/24" },
  },
  seeds: ["192.168.1.7:7780"],
  timezone: "Europe/Berlin",
};
const block = encodeProvisionFile(file);

let root: string;
let paths: Paths;
let ran: Argv[];
/** What a program that the device runs does; a test may replace it. */
let perform: (argv: Argv, signal?: AbortSignal) => Promise<unknown>;
const settle: Argv = ["udevadm", "settle", "--timeout=20"];
// Stands for the agent's user: anyone but root, or the user who runs the test.
const uid = process.getuid?.() || 990;
const gid = process.getgid?.() || 990;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hamlet-firstboot-"));
  paths = pathsUnder(root);
  ran = [];
  perform = async () => {};
  await put(paths.passwd, `root:x:0:0::/root:/bin/sh\nhamlet:x:${uid}:${gid}::/nonexistent:/usr/sbin/nologin\n`);
  await put(paths.agentConfig, '{"board":"nuc","release":"0.1.0"}');
  await put(paths.kernelHostname, "hamlet");
  await put(paths.provisionFile, block);
  await put(join(paths.dmi, "product_serial"), "G6BN1234\n");
  await put(join(paths.dmi, "board_serial"), "Default string\n");
  await put(join(paths.dmi, "product_uuid"), "12345678-1234-5678-90AB-CDDEEFAABBCC\n");
  await link("eno1", "pci", "1c:69:7a:01:02:03", "0");
  await link("usb0", "usb", "1c:69:7a:09:09:09", "0");
  await link("veth1", undefined, "ee:69:7a:09:09:09", "3");
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function put(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}
async function link(name: string, bus: string | undefined, mac: string, assigned: string): Promise<void> {
  await put(join(paths.links, name, "address"), `${mac}\n`);
  await put(join(paths.links, name, "addr_assign_type"), `${assigned}\n`);
  if (bus === undefined) return;
  await mkdir(join(paths.links, name, "device"));
  await symlink(`../../../../bus/${bus}`, join(paths.links, name, "device/subsystem"));
}
const boot = () =>
  firstBoot(paths, {
    log: silentLog,
    now: monday,
    run: async (argv, { signal } = {}) => {
      ran.push(argv);
      await perform(argv, signal);
      return "";
    },
  });
const text = (path: string) => readFile(path, "utf8").catch(() => undefined);
const json = async (path: string) => JSON.parse((await text(path)) ?? "null");
const modeOf = async (path: string) => (await stat(path)).mode & 0o777;
const isBlank = async () => (await readFile(paths.provisionFile)).equals(blankProvisionBlock());

test("the provision file moves to data, split between agent and root, and leaves a blank block behind", async () => {
  await boot();
  const { network: _, sshKeys: __, timezone: ___, ...agents } = file;
  expect(await json(paths.provision)).toEqual(agents);
  expect((await stat(paths.provision)).uid).toBe(uid);
  expect(await modeOf(paths.provision)).toBe(0o600);
  expect(await text(paths.authorizedKeys)).toBe(`${file.sshKeys![0]}\n`);
  expect(await text(paths.wpaSupplicant)).toContain("a secret of the house");
  expect([await modeOf(paths.wpaSupplicant), await modeOf(paths.authorizedKeys)]).toEqual([0o600, 0o600]);
  expect([await text(paths.hostname), await text(paths.kernelHostname)]).toEqual(["attic\n", "attic"]);
  expect([await text(paths.timezone), await modeOf(paths.timezone)]).toEqual(["Europe/Berlin\n", 0o644]);
  const network = join(paths.runtimeNetwork, "70-hamlet-static.network");
  expect(await text(network)).toContain("Address=192.168.1.5/24");
  expect(await modeOf(network)).toBe(0o644); // systemd-networkd is not root
  expect(ran).toEqual([["networkctl", "reload"], settle]);
  expect(await isBlank()).toBe(true);
  expect((await readFile(paths.provisionFile)).length).toBe(64 << 10);
});

test("the agent learns which board this is from files that only root may read", async () => {
  await boot();
  const wanted = { serials: ["g6bn1234"], uuid: "12345678-1234-5678-90ab-cddeefaabbcc", macs: ["1c:69:7a:01:02:03"] };
  expect(await json(paths.boardFacts)).toEqual(wanted);
  const before = await stat(paths.boardFacts);
  await boot();
  expect((await stat(paths.boardFacts)).ino).toBe(before.ino); // unchanged facts are not written again
});

test("a network card whose driver still loads belongs to the board, and a board that is complete is not waited for", async () => {
  const late = "1c:69:7a:01:02:04";
  perform = async ([program]) => {
    if (program === "udevadm") await link("eno2", "pci", late, "0");
  };
  await boot();
  expect((await json(paths.boardFacts)).macs).toContain(late);
  ran = [];
  await boot();
  expect(ran).not.toContainEqual(settle);
  await rm(join(paths.links, "eno2"), { recursive: true });
  await boot();
  expect((await json(paths.boardFacts)).macs).toContain(late);
});

test("the agent waits for the drivers of network cards, not for all others", async () => {
  const card = join(paths.pciDevices, "0000:00:03.0");
  await put(join(card, "class"), "0x020000\n");
  await mkdir(join(card, "virtio2"));
  const late = "1c:69:7a:01:02:04";
  perform = async ([program], signal) => {
    if (program !== "udevadm") return;
    await link("eno2", "pci", late, "0");
    await mkdir(join(card, "virtio2/net"));
    // Some driver takes for ever.
    await new Promise((resolve) => signal?.addEventListener("abort", resolve));
  };
  await boot();
  expect((await json(paths.boardFacts)).macs).toContain(late);
});

test("network settings reach a networkd that is not heard yet", async () => {
  let failures = 2;
  perform = async ([program]) => {
    if (program === "networkctl" && failures-- > 0) throw new Error("the bus is not there yet");
  };
  await boot();
  expect(ran.filter(([program]) => program === "networkctl")).toHaveLength(3);
  expect(await json(paths.problems)).toBeNull();
});

test("a later boot restores the network settings and changes nothing else", async () => {
  await boot();
  await become([`${"a".repeat(26)}.${"b".repeat(86)}`]);
  await rm(paths.provision);
  await rm(paths.runtimeNetwork, { recursive: true });
  await boot();
  expect(await text(join(paths.runtimeNetwork, "70-hamlet-static.network"))).toContain("192.168.1.5");
  expect(await text(paths.provision)).toBeUndefined();
});

const other = await makeToken(elm);
const again: ProvisionFile = { ...file, token: other.jws, tokenKey: seedOf(other.key) };
/** An identity as the agent makes it from `file`, and who let it in. */
const become = async (admissions: string[], neighborhood = elm.keys.id) => {
  const { seeds, name } = file;
  const provision = { token: token.jws, neighborhood: { id: neighborhood }, seeds, name };
  await put(paths.identity, JSON.stringify({ provision }));
  await put(paths.standing, JSON.stringify({ admissions }));
  await put(paths.roster, "{}");
};

test("an unreadable identity is kept: the provision file stays on the card unread, and the report says so", async () => {
  await put(paths.identity, "{}");
  await boot();
  expect((await readFile(paths.provisionFile)).equals(block)).toBe(true);
  expect([await text(paths.provision), await text(paths.authorizedKeys)]).toEqual([undefined, undefined]);
  const hint = expect.stringContaining("hamlet reset");
  expect(await json(paths.problems)).toMatchObject({ code: "identity.invalid", hint });
  // What it names mends it.
  await put(paths.resetRequest, "{}");
  await boot();
  expect([(await json(paths.provision)).name, await text(paths.problems), await isBlank()]).toEqual([
    "attic",
    undefined,
    true,
  ]);
});

test("a provision file that already made the identity is only wiped, however often the wipe has failed", async () => {
  for (const admissions of [[], [`${"a".repeat(26)}.${"b".repeat(86)}`]]) {
    await become(admissions);
    await put(paths.provisionFile, block);
    await boot();
    expect([await isBlank(), await text(paths.provision), (await text(paths.identity)) !== undefined]).toEqual([
      true,
      undefined,
      true,
    ]);
  }
});

test("a device that no member ever admitted takes a new token from its card and starts over", async () => {
  await become([]);
  await put(paths.provisionFile, encodeProvisionFile(again));
  await boot();
  expect(await json(paths.provision)).toMatchObject({ token: other.jws });
  expect([await text(paths.identity), await text(paths.standing), await text(paths.roster)]).toEqual(
    Array(3).fill(undefined),
  );
  expect(await isBlank()).toBe(true);
});

test("a member takes new Wi-Fi and SSH keys from its card and keeps its identity and every other setting", async () => {
  await boot();
  await become([`${"a".repeat(26)}.${"b".repeat(86)}`]);
  await rm(paths.provision);
  const before = await text(paths.identity);
  const { sshKeys: _, ...bare } = again;
  const network = { wifi: { ssid: "new", password: "another secret" } };
  await put(paths.provisionFile, encodeProvisionFile({ ...bare, name: "cellar", network }));
  await boot();
  expect(await text(paths.wpaSupplicant)).toContain("another secret");
  expect([await text(paths.authorizedKeys), await text(paths.hostname)]).toEqual([`${file.sshKeys![0]}\n`, "attic\n"]);
  expect(await text(join(paths.networkFolder, "70-hamlet-static.network"))).toContain("192.168.1.5");
  expect([await text(paths.identity), await text(paths.provision), await isBlank()]).toEqual([before, undefined, true]);
});

test("card-after-first-boot: new keys and settings beside the same token are taken too", async () => {
  const sshKeys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9 new@laptop"];
  for (const admissions of [[], [`${"a".repeat(26)}.${"b".repeat(86)}`]]) {
    await put(paths.provisionFile, block);
    await boot();
    await become(admissions);
    await rm(paths.provision);
    const network = { staticAddress: { interface: "e*", address: "192.168.1.9/24" } };
    await put(paths.provisionFile, encodeProvisionFile({ ...file, sshKeys, network }));
    await boot();
    expect(await text(paths.authorizedKeys)).toBe(`${sshKeys[0]}\n`);
    expect(await text(join(paths.runtimeNetwork, "70-hamlet-static.network"))).toContain("192.168.1.9");
    expect([await text(paths.provision), await isBlank(), (await text(paths.identity)) !== undefined]).toEqual([
      undefined,
      true,
      true,
    ]);
    await rm(dirname(paths.identity), { recursive: true });
  }
});

test.each<[string, Partial<ProvisionFile>, RegExp, string]>([
  ["another name", { name: "cellar" }, /the name cellar/, "hamlet rename cellar"],
  ["other seeds", { seeds: ["10.0.0.1:7780"] }, /the seeds/, "hamlet reset"],
  ["another repository", { update: { repositories: ["https://b.example/"] } }, /the agent's settings/, "hamlet reset"],
  ["another release root", { update: { releaseRoot: releaseRoot() } }, /the release root/, "hamlet reset"],
  ["other settings", { config: { tuning: { profile: "off" } } }, /the agent's settings/, "hamlet reset"],
])(
  "card-after-first-boot: %s for a member is said to be left, and what it names mends it",
  async (_, change, said, command) => {
    await boot();
    await become([`${"a".repeat(26)}.${"b".repeat(86)}`]);
    await rm(paths.provision);
    await put(paths.provisionFile, encodeProvisionFile({ ...again, ...change }));
    await boot();
    const hint = expect.stringContaining(command);
    expect(await json(paths.problems)).toMatchObject({
      code: "provision.partly",
      message: expect.stringMatching(said),
      hint,
    });
    expect(await text(paths.provision)).toBeUndefined();
    if (command !== "hamlet reset") return;
    await put(paths.resetRequest, "{}");
    await put(paths.provisionFile, encodeProvisionFile({ ...again, ...change }));
    await boot();
    const { update, ...agents } = change;
    const config = update?.repositories && { config: { update: { repositories: update.repositories } } };
    expect(await json(paths.provision)).toMatchObject({ ...agents, ...config });
    expect(await text(paths.problems)).toBeUndefined();
  },
);

test("a member refuses a provision file of another neighborhood, and the report says how to move it there", async () => {
  await become([`${"a".repeat(26)}.${"b".repeat(86)}`], makeStreet().keys.id);
  await put(paths.provisionFile, encodeProvisionFile(again));
  await boot();
  expect(await json(paths.problems)).toMatchObject({
    code: "provision.otherNeighborhood",
    hint: expect.stringContaining("hamlet reset"),
  });
  expect([await text(paths.wpaSupplicant), await isBlank()]).toEqual([undefined, false]);
});

test("a problem appears on consoles and card at once and keeps the date of its first occurrence", async () => {
  await put(paths.activeConsoles, "tty0 ttyS0\n");
  for (const name of ["tty1", "ttyS0"]) await put(join(paths.dev, name), "");
  await put(paths.cardReport, freshReport());
  await put(paths.provisionFile, encodeProvisionFile({ ...file, board: "rpi4" }));
  await boot();
  const report = await text(paths.cardReport);
  expect(report).toContain("the provision file is for rpi4, and this is a nuc");
  expect(report).toContain("provision.wrongBoard");
  for (const name of ["tty1", "ttyS0"]) {
    expect(await text(join(paths.dev, name))).toMatch(/^Hamlet 0\.1\.0 \(nuc\) starts\n! .*is for rpi4.*Next: /);
  }
  const first = await stat(paths.cardReport, { bigint: true });
  await firstBoot(paths, { log: silentLog, now: monday + 3_600_000, run: async () => "" });
  expect((await stat(paths.cardReport, { bigint: true })).mtimeNs).toBe(first.mtimeNs);
  for (const secret of ["a secret of the house", file.tokenKey, file.token]) expect(report).not.toContain(secret);
});

test("the consoles show the progress of the first boot, and no more than the start of later ones", async () => {
  await put(paths.activeConsoles, "ttyS0\n");
  await put(join(paths.dev, "ttyS0"), "");
  await boot();
  await become([`${"a".repeat(26)}.${"b".repeat(86)}`]);
  await boot();
  expect((await text(join(paths.dev, "ttyS0")))?.split("\n")).toEqual([
    "Hamlet 0.1.0 (nuc) starts",
    "provisioned as attic; next it looks for its neighbors",
    "Hamlet 0.1.0 (nuc) starts",
    "",
  ]);
});

test("root keeps the release root for itself, the agent gets the repositories, and the same card again is no news", async () => {
  const update = { repositories: ["https://a.example/", "http://10.77.0.2/"], releaseRoot: releaseRoot() };
  const config = { tuning: { profile: "off" } };
  const card = encodeProvisionFile({ ...file, config, update });
  await put(paths.provisionFile, card);
  await boot();
  expect(await json(paths.releaseRoot)).toEqual(releaseRoot());
  expect([await modeOf(paths.releaseRoot), await modeOf(dirname(paths.releaseRoot))]).toEqual([0o600, 0o700]);
  const agents = await json(paths.provision);
  expect(agents.config).toEqual({ ...config, update: { repositories: update.repositories } });
  expect(agents.update).toBeUndefined();
  await become([`${"a".repeat(26)}.${"b".repeat(86)}`]);
  const { token: jws, seeds, name } = file;
  const provision = { token: jws, neighborhood: { id: elm.keys.id }, seeds, name, config: agents.config };
  await put(paths.identity, JSON.stringify({ provision }));
  await put(paths.provisionFile, card);
  await boot();
  expect([await text(paths.problems), await isBlank()]).toEqual([undefined, true]);
});

test("a repository among the agent's settings counts more than the one beside them", () => {
  const update = { repositories: ["https://a.example/"] };
  const config = { update: { repositories: ["https://b.example/"], rate: 1 } };
  expect(configFor({ config, update })).toEqual(config);
  expect(configFor({ update })).toEqual({ update });
  expect(configFor({})).toBeUndefined();
});

test("a new device whose card names no release root trusts the image's again", async () => {
  await put(paths.provisionFile, encodeProvisionFile({ ...file, update: { releaseRoot: releaseRoot() } }));
  await boot();
  expect(await json(paths.releaseRoot)).toEqual(releaseRoot());
  await become([]);
  await put(paths.provisionFile, encodeProvisionFile(again));
  await boot();
  expect(await text(paths.releaseRoot)).toBeUndefined();
});

test("a reset device forgets neighborhood, keys, network and name; then it reads its card as a new device", async () => {
  await boot();
  await become([`${"a".repeat(26)}.${"b".repeat(86)}`]);
  await put(join(dirname(paths.authorizedKeys), "ssh_host_ed25519_key"), "canary");
  await put(paths.resetRequest, "{}");
  await put(paths.updateFloors, '{"roles":{}}');
  await put(join(paths.updateFolder, "history.json"), "{}");
  await put(paths.provisionFile, blankProvisionBlock());
  await boot();
  expect(await readdir(dirname(paths.identity))).toEqual(["board.json"]); // read from the board again
  // It may still not go back to an older release.
  expect(await readdir(paths.rootFolder)).toEqual(["update"]);
  expect(await readdir(paths.updateFolder)).toEqual(["floors.json"]);
  expect([await text(paths.hostname), await text(paths.kernelHostname)]).toEqual([undefined, "hamlet"]);
  await put(paths.provisionFile, encodeProvisionFile(again));
  await boot();
  expect(await json(paths.provision)).toMatchObject({ token: other.jws });
});

test("after a power cut at any point of a reset, the next boot finishes it and removes the request last", async () => {
  const whole = async () => {
    await boot();
    await become([`${"a".repeat(26)}.${"b".repeat(86)}`]);
    await put(paths.resetRequest, "{}");
  };
  for (const gone of [
    [paths.identity],
    [paths.identity, paths.wpaSupplicant, dirname(paths.authorizedKeys), paths.networkFolder],
    [paths.identity, paths.hostname, paths.roster],
  ]) {
    await put(paths.provisionFile, block);
    await whole();
    for (const path of gone) await rm(path, { recursive: true });
    await put(paths.provisionFile, blankProvisionBlock());
    await boot();
    expect(await readdir(dirname(paths.identity))).toEqual(["board.json"]);
    expect([await text(paths.wpaSupplicant), await text(paths.hostname)]).toEqual([undefined, undefined]);
    expect(await text(paths.timezone)).toBeUndefined();
  }
});

test("a power cut before the wipe loses nothing: the next boot repeats everything", async () => {
  await boot();
  const settled = await text(paths.provision);
  await put(paths.provisionFile, block);
  await boot();
  expect(await text(paths.provision)).toBe(settled);
  expect(await isBlank()).toBe(true);
});

test("settings that cannot be stored are not wiped from the card", async () => {
  await put(dirname(paths.authorizedKeys), "a file where a folder should be");
  await boot();
  expect((await readFile(paths.provisionFile)).equals(block)).toBe(true);
  expect(await text(paths.provision)).toBeUndefined();
  expect(await json(paths.problems)).toMatchObject({ code: "handover.refused" });
  await rm(dirname(paths.authorizedKeys));
  await boot();
  expect([await isBlank(), await text(paths.problems)]).toEqual([true, undefined]);
});

test.each([
  ["for another board", encodeProvisionFile({ ...file, board: "rpi4" }), "provision.wrongBoard"],
  ["cut off", block.subarray(0, 200), "provision.invalid"],
  ["oversized", Buffer.concat([block, block]), "provision.tooLarge"],
  [
    "of another neighborhood's token",
    encodeProvisionFile({ ...file, token: (await makeToken(makeStreet())).jws }),
    "provision.invalid",
  ],
  ["garbage", Buffer.alloc(64 << 10, "hamlet"), "provision.invalid"],
])(
  "a provision file that is %s is reported by its code, applied in no part, and stays where it is",
  async (_, bytes, code) => {
    await put(paths.provisionFile, bytes);
    await boot();
    expect(await json(paths.problems)).toMatchObject({ v: 1, code, since: monday, hint: expect.stringMatching(/./) });
    expect([await text(paths.provision), await text(paths.hostname), await text(paths.authorizedKeys)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect((await readFile(paths.provisionFile)).equals(bytes)).toBe(true);
  },
);

test("an unprovisioned image boots without a problem, and so does one without the file", async () => {
  await put(paths.provisionFile, blankProvisionBlock());
  await boot();
  await rm(paths.provisionFile);
  await boot();
  expect([await text(paths.problems), await text(paths.provision), await text(paths.hostname)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test("a second file replaces an unused first one completely", async () => {
  await boot();
  const { name, sshKeys, network, timezone, ...bare } = file;
  expect([name, sshKeys, network, timezone]).not.toContain(undefined);
  await put(paths.provisionFile, encodeProvisionFile(bare));
  await boot();
  expect([await text(paths.hostname), await text(paths.authorizedKeys), await text(paths.wpaSupplicant)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(await text(paths.timezone)).toBeUndefined();
  expect(await json(paths.provision)).toEqual(JSON.parse(JSON.stringify({ ...bare })));
});

test("a device whose data partition does not mount says so, and what to do", async () => {
  await put(paths.dataFailed, "the data partition could not be mounted\n");
  await put(paths.provisionFile, blankProvisionBlock());
  await boot();
  expect(await json(paths.problems)).toMatchObject({ code: "state.lost", hint: expect.stringContaining("flash") });
});

test.each(["hamlet-firstboot.service", "hamlet-tell.service"])(
  "%s may reach the consoles on which it speaks",
  async (unit) => {
    const settings = await readFile(join(import.meta.dirname, "../../../provisioning/firstboot", unit), "utf8");
    expect(settings).not.toMatch(/^PrivateDevices=yes/m);
    // ProtectClock makes a list of the devices that may be used: screen and serial lines have to be on it.
    const allowed = [...settings.matchAll(/^DeviceAllow=(.*)$/gm)].map(([, device]) => device);
    if (/^(ProtectClock=yes|DevicePolicy=closed)/m.test(settings)) {
      expect(allowed).toEqual(expect.arrayContaining(["char-tty rw", "char-ttyAMA rw"]));
    }
  },
);
