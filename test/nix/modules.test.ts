// Runs Debian's Nix on nix/: every file parses, the modules apply to doubles of lib and NixOS, and misspellings are refused.
import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { boardNames } from "../../image/boards.ts";
import { installLinks, masked, maskedGenerators } from "../../image/bundle/debian/units.ts";
import constants from "../../nix/constants.json" with { type: "json" };
import unitsJson from "../../nix/units.json" with { type: "json" };
import { lacks } from "../lacks.ts";
import { makeNix, nixFolder, type TestNix, testFolder } from "./nix.ts";

const root = join(nixFolder, "..");

/** The paths at which two values differ; a difference below a list or a missing entry counts once. */
function changes(before: unknown, after: unknown, path: string[] = []): string[] {
  const isObject = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject(before) || !isObject(after))
    return JSON.stringify(before) === JSON.stringify(after) ? [] : [path.join(".")];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.flatMap((name) => changes(before[name], after[name], [...path, name]));
}
const appliance = "/modules/appliance.nix";
const device = `{ services.hamlet = { board = "nuc"; version = "1.2.3"; hardware = ${testFolder}/hardware; }; }`;

describe.skipIf(lacks("nix-instantiate"))("the modules", () => {
  let nix: TestNix;
  beforeAll(async () => {
    nix = await makeNix();
  });
  afterAll(() => nix[Symbol.asyncDispose]());

  /** Evaluates `pick` against the configuration made of `modules` (paths below nix/) and `more`. */
  const configured = (modules: string[], more: string, pick: string, from = nixFolder, isRecent = true) =>
    nix.evaluate(`
      let config = import ${testFolder}/eval.nix {
        nix = ${from};
        isRecent = ${isRecent};
        modules = nix: [ ${modules.map((path) => `(nix + "${path}")`).join(" ")} (${more}) ];
      };
      in ${pick}`);

  test("every Nix file parses", async () => {
    const names = (await readdir(nixFolder, { recursive: true })).filter((name) => name.endsWith(".nix"));
    expect(names).toContain("flake.nix");
    for (const name of names) await nix.parse(join(nixFolder, name));
    const broken = join(nix.folder, "broken.nix");
    await writeFile(broken, "{ lib }: { a = 1 }");
    await expect(nix.parse(broken)).rejects.toThrow("syntax error");
  });

  test("nixpkgs and nixos-hardware are pinned by full commits and the hashes of their files", async () => {
    const { nodes } = JSON.parse(await readFile(join(nixFolder, "flake.lock"), "utf8"));
    const locks = Object.entries<{ locked?: { rev: string; narHash: string; lastModified: number } }>(nodes);
    for (const [, { locked }] of locks.filter(([name]) => name !== "root")) {
      expect(locked).toMatchObject({
        narHash: expect.stringMatching(/^sha256-[A-Za-z0-9+/]{43}=$/),
        lastModified: expect.any(Number),
      });
    }
    const revisions = locks.map(([name, { locked }]) => [name, locked?.rev]);
    expect(Object.fromEntries(revisions)).toEqual({
      "nixos-hardware": expect.stringMatching(/^[0-9a-f]{40}$/),
      nixpkgs: "cf9d2fb3e50fa1cd5114c47505ea9177f7ff5f49",
      root: undefined,
    });
  });

  test("the flake has the programs, a bundle for every board, the modules, the test machines and a shell", async () => {
    const source = join(nix.folder, "source");
    for (const part of ["nix", "agent/units", "image", "provisioning/firstboot"]) {
      await cp(join(root, part), join(source, part), { recursive: true });
    }
    await cp(join(root, "package.json"), join(source, "package.json"));
    // Without programs a checkout evaluates too: they are then built from source, if a registry is given.
    const drvPath = (pick: string) =>
      nix.evaluate(`(import ${testFolder}/outputs.nix { source = ${source}; }).packages.x86_64-linux.${pick}.drvPath`);
    expect(await drvPath("agent")).toMatch(/-hamlet-programs\.drv$/);
    expect(await drvPath("bundle-nuc")).toMatch(/-hamlet-bundle-nuc-.*\.drv$/);
    await cp(join(testFolder, "programs"), join(source, "nix/programs"), { recursive: true });
    const outputs = await nix.evaluate(`
      let outputs = import ${testFolder}/outputs.nix { source = ${source}; }; in {
        packages = builtins.mapAttrs (_: builtins.attrNames) outputs.packages;
        # \`nix flake check\` refuses anything else.
        kinds = map (package: package.type or "none") (builtins.concatMap builtins.attrValues
          (builtins.concatMap builtins.attrValues [ outputs.packages outputs.checks outputs.devShells ] ++ [ outputs.formatter ]));
        bundles = map (name: outputs.packages.x86_64-linux.\${name}.name) [ "bundle-rpi5" "bundle-nuc" ];
        modules = builtins.attrNames outputs.nixosModules;
        checks = builtins.mapAttrs (_: check: check.name) outputs.checks.x86_64-linux;
        shell = outputs.devShells.aarch64-linux.default.name;
        formatter = outputs.formatter.x86_64-linux.name;
      }`);
    const packages = ["agent", ...boardNames.map((board) => `bundle-${board}`)].sort();
    const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    expect(outputs).toEqual({
      kinds: expect.toSatisfy((kinds: string[]) => kinds.length > 12 && kinds.every((kind) => kind === "derivation")),
      packages: { "aarch64-linux": packages, "x86_64-linux": packages },
      bundles: [`hamlet-bundle-rpi5-${version}`, `hamlet-bundle-nuc-${version}`],
      modules: ["agent", "appliance", "boards", "boot-health", "default", "k3s", "network"],
      checks: { mesh: "vm-test-hamlet-mesh", settings: "vm-test-hamlet-settings" },
      shell: "shell",
      formatter: "nixfmt-tree",
    });
  });

  test("the images workflow builds every board and says that it has not run yet", async () => {
    const workflow = await readFile(join(root, ".github/workflows/images.yml"), "utf8");
    const built = [...workflow.matchAll(/\{ board: ([a-z0-9-]+), runner/g)].map(([, board]) => board);
    expect(built.sort()).toEqual([...boardNames].sort());
    expect(workflow).toMatch(/^# UNPROVEN: this has not run yet/);
    // A bundle with a link is no garbage: without this the second build would rebuild nothing.
    expect(workflow).toMatch(/rm -r [^\n]*hamlet\/nixos[\s\S]*nix-collect-garbage[\s\S]*test ! -e "\$bundle"/);
    // `lab exec` passes on what the program prints, which is no failure by itself.
    expect(workflow).toContain('test -z "$(npx --no-install hamlet lab exec attic -- systemctl --failed --no-legend)"');
  });

  test.each(boardNames)("the configuration of a %s evaluates, with the board's own kernel", async (board) => {
    const own = device.replace('"nuc"', `"${board}"`);
    const pick = `{
      inherit (config.services.hamlet) board;
      kernel = config.boot.kernelPackages.kernel.name;
      failed = builtins.filter (one: !one.assertion) config.assertions;
      all = builtins.deepSeq [ config.environment.etc config.systemd.units config.networking config.users ] true;
    }`;
    const kernel = board.startsWith("rpi") ? "linux-rpi" : "linux";
    expect(await configured([appliance], own, pick)).toEqual({ board, kernel, failed: [], all: true });
  });

  test("an appliance masks the units and generators that a Debian image masks, and those of newer systemds", async () => {
    const pick = `{
      units = builtins.attrNames (lib.filterAttrs (_: unit: !unit.enable) config.systemd.units);
      inherit (config.systemd) generators;
    }`;
    const found = (await configured([appliance], device, pick.replace("lib.", `(import ${testFolder}/lib.nix).`))) as {
      units: string[];
      generators: Record<string, string>;
    };
    // NixOS loads its firewall by this unit, and modules by name.
    const differences = ["nftables.service", "systemd-modules-load.service"];
    for (const unit of masked.filter((name) => !differences.includes(name))) expect(found.units).toContain(unit);
    for (const unit of differences) expect(found.units).not.toContain(unit);
    expect(found.units).toEqual(expect.arrayContaining(["systemd-boot-random-seed.service", "autovt@.service"]));
    for (const name of [...maskedGenerators, "systemd-ssh-generator"]) expect(found.generators[name]).toBe("/dev/null");
  });

  test("an appliance has a writable /tmp, logs no packets and copies no system into memory to shut down", async () => {
    const pick = `{
      tmp = config.boot.tmp.useTmpfs;
      log = config.networking.firewall.logRefusedConnections;
      shutdown = config.systemd.shutdownRamfs.enable;
      nftables = config.networking.nftables.enable;
      networkd = config.networking.useNetworkd;
      dns = config.environment.etc ? "systemd/resolved.conf.d/hamlet.conf";
      port = config.services.hamlet.settings.link.pagePort;
      ids = [ config.users.users.hamlet.uid config.users.groups.hamlet.gid ];
    }`;
    expect(await configured([appliance], device, pick)).toEqual({
      ...{ tmp: true, log: false, shutdown: false, nftables: true, networkd: true, dns: true, port: 80 },
      ids: [constants.agentUserId, constants.agentUserId],
    });
  });

  test("options younger than two releases are set where they are, and only there", async () => {
    const pick = "[ config.services.openssh.generateHostKeys config.services.userborn.static ]";
    expect(await configured([appliance], device, pick)).toEqual([false, true]);
    const older = "config.services.userborn.enable && !(config.services.userborn ? static)";
    expect(await configured([appliance], device, older, nixFolder, false)).toBe(true);
    const guards: string[] = [];
    for (const name of await readdir(join(nixFolder, "modules"))) {
      const text = await readFile(join(nixFolder, "modules", name), "utf8");
      if (/\boptions\b[^;]*\?|generateHostKeys|\bstatic = /.test(text)) guards.push(name);
      if (/\{[^}]*\boptions\b[^}]*\}:/.test(text)) guards.push(name);
    }
    expect([...new Set(guards)]).toEqual(["recent.nix"]);
  });

  test("an appliance has no setuid programs, fonts, trim timer or services around sleep, as a Debian image", async () => {
    const pick =
      "{ wrappers = config.security.enableWrappers; fonts = config.fonts.fontconfig.enable; trim = config.services.fstrim.enable; sleep = config.powerManagement.enable; }";
    expect(await configured([appliance], device, pick)).toEqual({
      wrappers: false,
      fonts: false,
      trim: false,
      sleep: false,
    });
  });

  test("the targets in [Install] sections start the units, as in a Debian image", async () => {
    const folders = [...Object.values(unitsJson).flat(), "image/bundle/root/usr/lib/systemd/system"];
    const links = [];
    for (const folder of folders) {
      const names = await readdir(join(root, folder)).catch(() => []);
      for (const name of names.filter((one) => /\.(service|timer|socket|path|mount|automount)$/.test(one))) {
        links.push(...installLinks(name, await readFile(join(root, folder, name), "utf8")));
      }
    }
    const expected = links.map(({ path }) => path.replace("usr/lib/systemd/system/", ""));
    const units = (await configured([appliance], device, "config.systemd.units")) as Record<
      string,
      { wantedBy: string[]; requiredBy: string[] }
    >;
    const found = Object.entries(units).flatMap(([name, { wantedBy, requiredBy }]) => [
      ...wantedBy.map((target) => `${target}.wants/${name}`),
      ...requiredBy.map((target) => `${target}.requires/${name}`),
    ]);
    expect(expected).toContain("multi-user.target.wants/hamlet-agent.service");
    expect(found.sort()).toEqual(expected.sort());
  });

  test("settings reach the agent's file, and their ports open in the firewall", async () => {
    const more = `{ services.hamlet.enable = true; services.hamlet.settings = { name = "attic"; link.pagePort = 0; mesh.listenPort = 4242; }; }`;
    const pick = `{
      agent = builtins.fromJSON config.environment.etc."hamlet/agent.json".text;
      tcp = config.networking.firewall.allowedTCPPorts;
      udp = config.networking.firewall.allowedUDPPorts;
      mesh = config.networking.firewall.interfaces.hamlet0.allowedTCPPorts;
    }`;
    expect(await configured(["/modules/agent.nix", "/modules/network.nix"], more, pick)).toMatchObject({
      agent: { name: "attic", link: { helloPort: 7780, pagePort: 0 }, mesh: { listenPort: 4242 } },
      tcp: [7780],
      udp: [4242, 5353],
      mesh: [7946, 1883, 7947],
    });
  });

  /** A machine with a gateway, a firewall, a web server, a resolver and ids of its own. */
  const machine = `{
    networking = { defaultGateway = "192.0.2.1"; nameservers = [ "192.0.2.53" ]; firewall = { extraCommands = "own"; allowedTCPPorts = [ 80 ]; }; };
    services = { nginx.enable = true; resolved.enable = true; };
    users.users.gitea.uid = 990;
    users.groups.gitea.gid = 990;
    environment.etc."systemd/resolved.conf".text = "own";
  }`;
  const machineState =
    "{ inherit (config) boot environment networking services systemd users; failed = builtins.filter (one: !one.assertion) config.assertions; }";
  const machineWith = (modules: string[], settings: string) =>
    configured(modules, `{ imports = [ (${machine}) ]; ${settings} }`, machineState) as Promise<
      Record<string, unknown>
    >;

  test("the modules change nothing on a machine that does not enable Hamlet", async () => {
    const without = await machineWith(["/modules/agent.nix"], "");
    const own = await nix.evaluate(`
      let
        lib = import ${testFolder}/lib.nix;
        pkgs = import ${testFolder}/pkgs.nix { inherit lib; };
        inherit (lib.evalModules { specialArgs = { inherit pkgs; }; modules = [ ${testFolder}/nixos.nix ${testFolder}/nixos-recent.nix (${machine}) ]; }) config;
      in ${machineState}`);
    expect(changes(own, without).filter((path) => !path.startsWith("services.hamlet"))).toEqual([]);
    expect(await machineWith(["/modules/machine.nix"], "")).toEqual(without);
  });

  // nix/README.md names these.
  const changesOfMachine = [
    "boot.kernelModules",
    "environment.etc.hamlet/agent.json",
    "environment.etc.systemd/dns-delegate.d/hamlet.dns-delegate",
    "environment.systemPackages",
    "networking.firewall.allowedTCPPorts",
    "networking.firewall.allowedUDPPorts",
    "networking.firewall.interfaces.hamlet0",
    "services.udev.packages",
    "systemd.packages",
    "systemd.services.hamlet-agent",
    "systemd.tmpfiles.rules",
    "systemd.units.hamlet-agent.service",
    "systemd.units.hamlet-sysctl.service",
    "users.groups.hamlet",
    "users.users.hamlet",
  ];

  test("a machine that enables Hamlet keeps its network, firewall, resolver, web server and ids", async () => {
    const before = await machineWith(["/modules/machine.nix"], "");
    const after = await machineWith(["/modules/machine.nix"], "services.hamlet.enable = true;");
    const found = changes(before, after).filter((path) => !path.startsWith("services.hamlet"));
    expect(found).toEqual(changesOfMachine);
    expect(after).toMatchObject({
      failed: [],
      networking: {
        firewall: { allowedTCPPorts: [7780, 80], allowedUDPPorts: [51820, 5353] },
        useNetworkd: false,
        nftables: { enable: false },
      },
      services: { hamlet: { settings: { link: { pagePort: 0 } } } },
      users: { users: { hamlet: { uid: null } }, groups: { hamlet: { gid: null } } },
    });
    const readme = await readFile(join(nixFolder, "README.md"), "utf8");
    for (const word of ["firewall", "hamlet.dns-delegate", "link.pagePort", "kernel modules", "user `hamlet`"])
      expect(readme).toContain(word);
  });

  test("a machine's own network settings are refused on an appliance only", async () => {
    const more = `{ imports = [ (${device}) ]; networking.defaultGateway = "192.0.2.1"; }`;
    const pick = "map (one: one.message) (builtins.filter (one: !one.assertion) config.assertions)";
    expect(await configured([appliance], more, pick)).toEqual([expect.stringContaining("defaultGateway")]);
  });

  test("k3s uses the mesh only, and its agents must name the server", async () => {
    const pick =
      "{ inherit (config.services.k3s) extraFlags; failed = map (one: one.message) (builtins.filter (one: !one.assertion) config.assertions); }";
    const k3s = (settings: string) =>
      configured(
        ["/modules/agent.nix", "/modules/k3s.nix"],
        `{ services.hamlet.k3s = { enable = true; ${settings} }; }`,
        pick,
      );
    expect(await k3s('role = "server";')).toMatchObject({
      extraFlags: expect.arrayContaining(["--flannel-iface=hamlet0"]),
      failed: [],
    });
    expect(await k3s("")).toMatchObject({ failed: [expect.stringContaining("serverName")] });
  });

  test.each([
    [
      "an option",
      "systemd.enableEmergencyMode",
      "systemd.enableEmergencyMod",
      "systemd.enableEmergencyMod' does not exist",
    ],
    [
      "a value's kind",
      "services.userborn.enable = true;",
      'services.userborn.enable = "yes";',
      "is not of type `boolean'",
    ],
    [
      "a setting of the agent",
      "inherit (cfg) board; release",
      "inherit (cfg) board; relaese",
      "relaese' does not exist",
    ],
  ])("evaluation refuses a module that misspells %s", async (_, right, wrong, complaint) => {
    await using copy = await makeNix();
    await cp(join(root, "nix"), join(copy.folder, "nix"), { recursive: true });
    for (const folder of ["agent", "image", "provisioning"]) {
      await cp(join(root, folder), join(copy.folder, folder), { recursive: true });
    }
    let changes = 0;
    for (const name of ["appliance.nix", "boot-health.nix"]) {
      const path = join(copy.folder, "nix/modules", name);
      const text = await readFile(path, "utf8");
      if (text.includes(right)) changes += 1;
      await writeFile(path, text.replace(right, wrong));
    }
    expect(changes).toBe(1);
    const pick = "builtins.deepSeq [ config.services.userborn config.environment.etc ] true";
    await expect(configured([appliance], device, pick, join(copy.folder, "nix"))).rejects.toThrow(complaint);
  });

  test("the build fails if a unit starts a program by a path that NixOS does not have", async () => {
    const folder = join(nix.folder, "units");
    await cp(join(root, "agent/units"), folder, { recursive: true });
    const build = () =>
      nix.build(`
        let
          lib = import ${testFolder}/lib.nix;
          pkgs = import ${testFolder}/pkgs.nix { inherit lib; };
          files = pkgs.callPackage ${nixFolder}/files.nix { nodejs = pkgs.nodejs-slim_24; programs = ${testFolder}/programs; };
        in files { name = "files"; folders = [ ${folder} ]; scripts = [ ${root}/image/bundle/root/usr/lib/hamlet/vm.conf ]; }`);
    expect(await readdir(join(await build(), "lib/systemd/system"))).toContain("hamlet-agent.service");
    const path = join(folder, "hamlet-agent.service");
    await writeFile(
      path,
      (await readFile(path, "utf8")).replace("[Service]", "[Service]\nExecStartPre=-/usr/sbin/modprobe tun"),
    );
    await expect(build()).rejects.toThrow("hamlet-agent.service starts a program by a path that NixOS does not have");
    await writeFile(
      path,
      (await readFile(path, "utf8")).replace(/^ExecStartPre.*\n/m, "").replace("agent.mjs", "agnet.mjs"),
    );
    await expect(build()).rejects.toThrow("hamlet-agent.service names agnet.mjs, which is not in this package");
  });
});
