// A real NixOS module tree evaluates every configuration of nix/. HAMLET_NIXPKGS is the path of a tree: see real.nix. Without it these
// tests are skipped, and that the modules fit the pinned nixpkgs is unproven. The tree decides what is shown: nix/README.md says of which.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { boardNames } from "../../image/boards.ts";
import { installLinks, masked, maskedGenerators } from "../../image/bundle/debian/units.ts";
import unitsJson from "../../nix/units.json" with { type: "json" };
import { lacks } from "../lacks.ts";
import { makeNix, nixFolder, testFolder } from "./nix.ts";

const root = join(nixFolder, "..");
const tree = process.env["HAMLET_NIXPKGS"];
/** Without it, the folder nixos-hardware in the tree. */
const hardware = process.env["HAMLET_NIXOS_HARDWARE"];
const needs = lacks("nix-instantiate") || (tree ? "" : "needs HAMLET_NIXPKGS: unproven on a real NixOS tree");

type Facts = {
  boards: Record<string, string>;
  machines: Record<string, string[]>;
  appliance: {
    started: Record<string, string[]>;
    sockets: string[];
    masked: string[];
    generators: Record<string, string>;
    modes: Record<string, string>;
    owners: string[];
    warnings: string[];
    shadow: string;
    rules: string;
    agentPath: string;
    firmware: boolean;
    tmp: boolean;
  };
  changes: {
    units: string[];
    etc: string[];
    users: string[];
    kept: Record<string, boolean>;
    ids: unknown[];
    ports: number[];
  };
};
let facts: Facts;
beforeAll(async () => {
  if (needs) return;
  await using nix = await makeNix();
  facts = (await nix.evaluate(
    `import ${testFolder}/real.nix { tree = ${tree}; ${hardware ? `hardware = ${hardware};` : ""} source = ${root}; }`,
  )) as Facts;
  // Nine configurations of 2,980 modules.
}, 600_000);

test.skipIf(needs)("every board's bundle and every machine evaluates, and no assertion fails", () => {
  // A failed assertion of an appliance ends its evaluation.
  expect(Object.keys(facts.boards).sort()).toEqual([...boardNames].sort());
  for (const path of Object.values(facts.boards)) expect(path).toMatch(/-hamlet-bundle-.*\.drv$/);
  expect(facts.machines).toEqual({ default: [], k3s: [], mesh: [], settings: [] });
  expect(facts.appliance.warnings).toEqual([]);
});

/** Started on NixOS and not on Debian. */
const startedToo: Record<string, string> = {
  "network-local-commands.service": "NixOS's own; it has no commands here",
  "network-online.target": "nothing waits for it",
  "nftables.service": "loads NixOS's firewall; on Debian the agent's rules stand alone",
  "nscd.service": "glibc of NixOS finds systemd-resolved through it",
  "prepare-kexec.service": "nothing starts another kernel",
  "save-hwclock.service": "sets the clock of a board that has one, at shutdown",
  "systemd-modules-load.service": "NixOS loads modules by name",
  "systemd-sysctl.service": "Debian's package starts it by itself",
  "systemd-tmpfiles-resetup.service": "NixOS starts it for a new configuration, which never comes",
};

test.skipIf(needs)("a device starts what a Debian device starts, and what is listed here with its reason", async () => {
  const own: string[] = [];
  for (const folder of [...Object.values(unitsJson).flat(), "image/bundle/root/usr/lib/systemd/system"]) {
    for (const name of await readdir(join(root, folder))) {
      if (/\.(service|timer|socket|path|mount|automount)$/.test(name)) {
        const text = await readFile(join(root, folder, name), "utf8");
        if (installLinks(name, text).length > 0) own.push(name);
      }
    }
  }
  const both = [
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
  ];
  const expected = [...own, ...both, "sshd.service", ...Object.keys(startedToo)];
  expect(Object.keys(facts.appliance.started).filter((name) => !expected.includes(name))).toEqual([]);
  for (const name of [...own, ...both, "sshd.service"]) expect(Object.keys(facts.appliance.started)).toContain(name);
  // systemd's own sockets are the same on both; these two are masked on both.
  expect(facts.appliance.sockets).toEqual(["systemd-networkd"]);
  const differences = ["nftables.service", "systemd-modules-load.service"];
  const expectedMasks = masked.filter((name) => !differences.includes(name));
  expect(facts.appliance.masked).toEqual(expect.arrayContaining(expectedMasks));
  for (const name of [...maskedGenerators, "systemd-ssh-generator"]) {
    expect(facts.appliance.generators).toHaveProperty([name], "/dev/null");
  }
});

test.skipIf(needs)("a device's files, firewall and paths are as they must be", () => {
  const { appliance } = facts;
  expect(appliance.modes).toEqual({ group: "0644", passwd: "0644", shadow: "0000" });
  expect(appliance.owners).toEqual(["+0:+0"]);
  expect(appliance.shadow).toBe("*");
  expect(appliance.firmware).toBe(false);
  expect(appliance.tmp).toBe(true);
  expect(appliance.rules).toContain("tcp dport { 22, 80, 7780 } accept");
  expect(appliance.rules).not.toMatch(/\blog\b/);
  for (const name of ["bash", "wireguard-tools", "iproute2", "nftables", "util-linux"]) {
    expect(appliance.agentPath).toMatch(new RegExp(`-${name}[^/]*/bin`));
  }
});

test.skipIf(needs)("a machine of its own keeps its gateway, firewall commands, dhcpcd, resolver and ids", () => {
  expect(facts.changes).toEqual({
    units: ["hamlet-agent.service", "hamlet-sysctl.service"],
    etc: ["hamlet/agent.json"],
    users: ["hamlet"],
    kept: {
      networkd: true,
      nftables: true,
      dhcpcd: true,
      resolved: true,
      nameservers: true,
      gateway: true,
      commands: true,
    },
    ids: [null, null],
    ports: [7780],
  });
});
