// Every program that our code starts is on the path of the unit that starts it, on Debian and on NixOS.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { installed } from "../../image/bundle/debian/packages.ts";
import spawned from "../../nix/spawned.json" with { type: "json" };
import unitsJson from "../../nix/units.json" with { type: "json" };
import { lacks } from "../lacks.ts";
import { makeNix, nixFolder, type TestNix, testFolder } from "./nix.ts";
import { commandsIn, spawnedBy } from "./spawned.ts";

const root = join(nixFolder, "..");
/** What each unit, and the command `hamlet` on a device, runs: an entry of a bundle, or a shell script. */
const runs: Record<keyof typeof spawned.starts, string> = {
  hamlet: "cli/commands/device/log-archive.ts",
  "hamlet-agent": "agent/main.ts",
  "hamlet-firstboot": "provisioning/firstboot/main.ts",
  "hamlet-grow": "image/bundle/root/usr/lib/hamlet/grow-data",
  "hamlet-install": "cli/commands/device/install.ts",
  "hamlet-lab": "image/lab/guest/main.ts",
  "hamlet-tell": "provisioning/firstboot/tell",
  "hamlet-trial": "cli/commands/boot/begin-trial.ts",
  "hamlet-updater": "ota/updater/main.ts",
  "hamlet-verdict": "cli/commands/boot/end-trial.ts",
  "hamlet-wifi@": "provisioning/firstboot/wifi",
};
/** These start nothing but the program in their ExecStart. */
const startNothing = ["hamlet-asked", "hamlet-efi-check", "hamlet-reset", "hamlet-stayed-up", "hamlet-sysctl"];
/** Debian's packages that mmdebstrap installs as essential, or as dependencies of those in `installed`. */
const alwaysThere = ["coreutils", "dash", "grep", "sed", "util-linux"];

test.each(Object.entries(runs))("spawned.json lists what %s starts", async (unit, source) => {
  const found = source.endsWith(".ts")
    ? await spawnedBy(source)
    : commandsIn(await readFile(join(root, source), "utf8"));
  expect(spawned.starts[unit as keyof typeof runs]).toEqual(found);
});

test("spawned.json knows every service", async () => {
  const folders = [...Object.values(unitsJson).flat(), "image/bundle/root/usr/lib/systemd/system"];
  const names = (await Promise.all(folders.map((folder) => readdir(join(root, folder))))).flat();
  const services = names.filter((name) => name.endsWith(".service")).map((name) => name.slice(0, -".service".length));
  expect([...Object.keys(runs), ...startNothing].sort()).toEqual(["hamlet", ...services].sort());
});

test("the code's argument lists and a script's commands are found", () => {
  const script = `key=/a; test -s $key || ssh-keygen -f "$(readlink -f "$key")"
for x in a b; do own "$x" | tr a b; done
own() { sync; } # rm
`;
  expect(commandsIn(script)).toEqual(["readlink", "ssh-keygen", "sync", "tr"]);
});

test("a Debian root has every program", () => {
  const packages = Object.values(spawned.packages).map(({ debian }) => debian);
  expect(packages.filter((name) => ![...installed, ...alwaysThere].includes(name))).toEqual([]);
});

describe.skipIf(lacks("nix-instantiate"))("on NixOS", () => {
  let nix: TestNix;
  beforeAll(async () => {
    nix = await makeNix();
  });
  afterAll(() => nix[Symbol.asyncDispose]());

  test("each unit's path has what it starts", async () => {
    const paths = (await nix.evaluate(`
      let config = import ${testFolder}/eval.nix { modules = nix: [
        (nix + "/modules/appliance.nix") { services.hamlet = { board = "nuc"; version = "1.2.3"; hardware = ${testFolder}/hardware; }; }
      ]; };
      programsOf = builtins.concatMap (package: package.provides or [ ]);
      in builtins.mapAttrs (_: service: programsOf service.path) config.systemd.services // { hamlet = programsOf config.environment.systemPackages; }`)) as Record<
      string,
      string[]
    >;
    for (const [unit, programs] of Object.entries(spawned.starts)) {
      expect(paths[unit], unit).toEqual(expect.arrayContaining(programs));
    }
  });

  test("the machines of nix/tests have what their scripts start", async () => {
    // NixOS's own, on every machine: config/system-path.nix, openssh, iputils, systemd.
    const common = [
      "bash",
      "cat",
      "chown",
      "curl",
      "grep",
      "journalctl",
      "ping",
      "systemctl",
      "systemd-analyze",
      "timeout",
    ];
    const tests = (await nix.evaluate(`
      let
        lib = import ${testFolder}/lib.nix;
        pkgs = import ${testFolder}/pkgs.nix { inherit lib; };
        modules.default = { imports = [ ${nixFolder}/modules/machine.nix ]; services.hamlet.programs = ${testFolder}/programs; };
      in builtins.mapAttrs (_: one: {
        inherit (one) testScript;
        programs = builtins.mapAttrs (_: machine: map (package: package.provides or [ package.name ]) machine.environment.systemPackages) one.machines;
        failed = builtins.mapAttrs (_: machine: builtins.filter (check: !check.assertion) machine.assertions) one.machines;
      }) (import ${nixFolder}/tests { inherit pkgs modules; })`)) as Record<
      string,
      { testScript: string; programs: Record<string, string[][]>; failed: Record<string, unknown[]> }
    >;
    expect(Object.keys(tests)).toEqual(["mesh", "settings"]);
    for (const [name, { testScript, programs, failed }] of Object.entries(tests)) {
      const commands = [...testScript.matchAll(/(?:succeed|fail|succeeds)\(\s*f?"((?:[^"\\]|\\.)*)"/g)].flatMap(
        ([, text]) => commandsIn(text!.split("\\n")[0]!.replaceAll("{environment} ", "")),
      );
      expect(commands.length, name).toBeGreaterThan(1);
      for (const [machine, has] of Object.entries(programs)) {
        const there = [...common, "hamlet", ...has.flat()];
        expect(
          commands.filter((command) => !there.includes(command)),
          machine,
        ).toEqual([]);
      }
      for (const list of Object.values(failed)) expect(list).toEqual([]);
    }
  });
});
