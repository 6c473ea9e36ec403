// Nix and the agent agree on the settings: same names, same defaults, same refusals.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { AgentConfig } from "../../agent/config.ts";
import { agentSchema } from "../../agent/schema.ts";
import { lacks } from "../lacks.ts";
import { makeNix, nixFolder, testFolder } from "./nix.ts";

const valid: unknown[] = [
  {},
  { name: "attic" },
  { name: "a" },
  { name: "a".repeat(63) },
  { seeds: ["192.0.2.1:7780", "host:1"] },
  { link: { helloPort: 1, pagePort: 0, interfaces: ["eth0"] } },
  { link: { interfaces: [] } },
  { mesh: { mtu: 1280, keepaliveSeconds: 0, interface: "mesh1", guard: false } },
  { cluster: { port: 65535 } },
  { link: { helloPort: 80 } },
  { cluster: { port: 5354 } },
  { telemetry: { broker: "mqtts://broker.example:8883", intervalSeconds: 3600, homeAssistant: false } },
  { telemetry: { broker: "mqtt://user:word@10.0.0.1" } },
  { tuning: { enabled: false } },
  { update: { repositories: ["http://10.77.0.2/", "https://updates.example:8443/a/b"], window: "22:00-05:30" } },
  { update: { repositories: [], rate: 64, metered: true, maxBytes: 0 } },
  { provisionFile: "/run/provision.json", stateFolder: "/srv/hamlet" },
];
const invalid: unknown[] = [
  { link: { pagePort: 7946 } },
  { mesh: { listenPort: 5353 } },
  { mesh: { listenPort: 5354 } },
  { nmae: "attic" },
  { name: "" },
  { name: "Attic" },
  { name: "-attic" },
  { name: "attic-" },
  { name: "a".repeat(64) },
  { name: "attic\nkitchen" },
  { name: 7 },
  { board: null, seeds: null },
  { seeds: "192.0.2.1:7780" },
  { seeds: [7] },
  { link: [] },
  { link: { helloPort: 0 } },
  { link: { helloPort: 65536 } },
  { link: { helloPort: "7780" } },
  { link: { helloPort: 7780.5 } },
  { link: { port: 1 } },
  { link: { interfaces: [["eth0"]] } },
  { mesh: { mtu: 1279 } },
  { mesh: { mtu: 9001 } },
  { mesh: { interface: "a-b" } },
  { mesh: { interface: "abcdefghijklmnop" } },
  { mesh: { guard: "yes" } },
  { mesh: { keepaliveSeconds: -1 } },
  { telemetry: { broker: "http://broker" } },
  { telemetry: { broker: "mqtts://" } },
  { telemetry: { broker: "broker.example" } },
  { telemetry: { broker: "mqtt://user:wo/rd@10.0.0.1" } },
  { telemetry: { intervalSeconds: 0 } },
  { tuning: { enabled: 1 } },
  { tuning: { enabled: true, more: 1 } },
  { update: { repositories: ["ftp://updates.example/"] } },
  { update: { repositories: ["http://updates.example/?a"] } },
  { update: { repositories: "http://updates.example/" } },
  { update: { rate: 63 } },
  { update: { window: "24:00-05:30" } },
  { update: { window: "22:00" } },
  { update: { maxBytes: -1 } },
];

/** For each config: the settings that Nix writes, or null if it refuses the config. */
async function inNix(configs: unknown[]): Promise<unknown[]> {
  await using nix = await makeNix();
  const file = join(nix.folder, "configs.json");
  await writeFile(file, JSON.stringify(configs));
  return (await nix.evaluate(`
    let
      lib = import ${testFolder}/lib.nix;
      schema = import ${nixFolder}/schema-options.nix { inherit lib; };
      options = schema.optionsOf (lib.importJSON ${nixFolder}/agent-schema.json);
      settings = config: schema.written (lib.evalModules { modules = [ { inherit options; } { inherit config; } ]; }).config;
      checked = value: if import ${nixFolder}/ports.nix value then value else throw "two parts have one port";
      tried = config: let value = settings config; in builtins.tryEval (builtins.deepSeq value (checked value));
    in map (config: let done = tried config; in if done.success then done.value else null) (lib.importJSON ${file})`)) as unknown[];
}

const inZod = (config: unknown): unknown => AgentConfig.safeParse(config).data ?? null;

test("the agent accepts every valid example and refuses every invalid one", () => {
  expect(valid.filter((config) => inZod(config) === null)).toEqual([]);
  expect(invalid.filter((config) => inZod(config) !== null)).toEqual([]);
});

test.skipIf(lacks("nix-instantiate"))(
  "Nix accepts the settings that the agent accepts, and fills in the same defaults",
  async () => {
    expect(await inNix(valid)).toEqual(valid.map(inZod));
  },
);

test.skipIf(lacks("nix-instantiate"))("Nix refuses the settings that the agent refuses", async () => {
  expect(await inNix(invalid)).toEqual(invalid.map(() => null));
});

test.skipIf(lacks("nix-instantiate"))("Nix and the agent agree on random settings", async () => {
  const configs = fc.sample(anyConfig(agentSchema()), { numRuns: 300, seed: 3 });
  const agreed = configs.map(inZod);
  expect(agreed.filter((config) => config !== null).length).toBeGreaterThan(30);
  expect(agreed.filter((config) => config === null).length).toBeGreaterThan(30);
  expect(await inNix(configs)).toEqual(agreed);
});

test.skipIf(lacks("nix-instantiate"))("the converter refuses a keyword that it does not know", async () => {
  await using nix = await makeNix();
  const convert = (schema: object) =>
    nix.evaluate(`
      ((import ${nixFolder}/schema-options.nix { lib = import ${testFolder}/lib.nix; }).optionsOf
        (builtins.fromJSON ''${JSON.stringify({ properties: { it: schema } })}'')).it.type.name`);
  await expect(convert({ type: "string", maxLength: 5 })).rejects.toThrow("does not know 'maxLength'");
  await expect(convert({ type: "string", format: "email" })).rejects.toThrow("format 'email'");
});

type Node = ReturnType<typeof agentSchema>;

function textsFor(pattern = ""): string[] {
  if (pattern.startsWith("^mqtt")) return ["mqtt://a", "mqtts://me:50%off@b.example:1/", "mqtts://b.example:1/c"];
  if (pattern.startsWith("^http")) return ["http://a", "https://b.example:8443/c/", "http://[fd12::1]/"];
  if (pattern.startsWith("^([01]")) return ["00:00-23:59", "22:30-05:00"];
  return ["attic", "x9", "hamlet0"];
}

/** Random settings of the right shape, mostly with valid values. */
function anyConfig(node: Node): fc.Arbitrary<unknown> {
  if (node.properties) {
    const fields = Object.entries(node.properties).map(([name, child]) => [name, anyConfig(child)] as const);
    return fc.record(Object.fromEntries(fields), { requiredKeys: [] });
  }
  const wrong = fc.constantFrom<unknown[]>("", -1, 0.5, true, [], "a b", 70_000);
  const right: fc.Arbitrary<unknown> =
    node.type === "boolean"
      ? fc.boolean()
      : node.type === "integer"
        ? fc.integer({ min: (node.minimum ?? 0) - 1, max: (node.maximum ?? 100) + 1 })
        : node.type === "array"
          ? fc.array(anyConfig(node.items!), { maxLength: 3 })
          : fc.constantFrom(...textsFor(node.pattern));
  return fc.oneof({ weight: 60, arbitrary: right }, { weight: 1, arbitrary: wrong });
}
