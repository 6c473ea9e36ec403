// Runs Debian's Nix on nix/: every file parses, the modules apply to doubles of lib and NixOS, and misspellings are refused.
import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { boardNames } from "../../image/boards.ts";
import { installLinks } from "../../image/bundle/debian/units.ts";
import unitsJson from "../../nix/units.json" with { type: "json" };
import { lacks } from "../lacks.ts";
import { makeNix, nixFolder, type TestNix, testFolder } from "./nix.ts";

const root = join(nixFolder, "..");
const appliance = "/modules/appliance.nix";
const device = `{ services.hamlet = { board = "nuc"; version = "1.2.3"; hardware = ${testFolder}/hardware; }; }`;

describe.skipIf(lacks("nix-instantiate"))("the modules", () => {
  let nix: TestNix;
  beforeAll(async () => {
    nix = await makeNix();
  });
  afterAll(() => nix[Symbol.asyncDispose]());

  /** Evaluates `pick` against the configuration made of `modules` (paths below nix/) and `more`. */
  const configured = (modules: string[], more: string, pick: string, from = nixFolder) =>
    nix.evaluate(`
      let config = import ${testFolder}/eval.nix {
        nix = ${from};
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

  test("nixpkgs and nixos-hardware are pinned by full commits", async () => {
    const { nodes } = JSON.parse(await readFile(join(nixFolder, "flake.lock"), "utf8"));
    const revisions = Object.entries<{ locked?: { rev: string } }>(nodes).map(([name, { locked }]) => [
      name,
      locked?.rev,
    ]);
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
    await cp(join(testFolder, "programs"), join(source, "nix/programs"), { recursive: true });
    const outputs = await nix.evaluate(`
      let outputs = import ${testFolder}/outputs.nix { source = ${source}; }; in {
        packages = builtins.mapAttrs (_: builtins.attrNames) outputs.packages;
        bundles = map (name: outputs.packages.x86_64-linux.\${name}.name) [ "bundle-rpi5" "bundle-nuc" ];
        modules = builtins.attrNames outputs.nixosModules;
        checks = builtins.mapAttrs (_: check: check.name) outputs.checks.x86_64-linux;
        shell = outputs.devShells.aarch64-linux.default.name;
        formatter = outputs.formatter.x86_64-linux.name;
      }`);
    const packages = ["agent", ...boardNames.map((board) => `bundle-${board}`)].sort();
    const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    expect(outputs).toEqual({
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
      mesh: [7946, 1883],
    });
  });

  test("the modules change nothing on a machine that does not enable Hamlet", async () => {
    const pick = "{ inherit (config) environment users; inherit (config.systemd) units; }";
    expect(await configured(["/modules/agent.nix", "/modules/network.nix"], "{ }", pick)).toEqual({
      environment: { etc: {}, systemPackages: [] },
      users: { allowNoPasswordLogin: false, groups: {}, users: {} },
      units: {},
    });
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
      "services.userborn = { enable = true;",
      'services.userborn = { enable = "yes";',
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
