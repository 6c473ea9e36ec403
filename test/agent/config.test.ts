import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AgentConfig, fixedIn, overlayConfig, readConfig } from "../../agent/config.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-config-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("a device without a config file has every default", async () => {
  expect((await readConfig(join(folder, "none.json"))).mesh).toMatchObject({ interface: "hamlet0", listenPort: 51820 });
});

test.each([
  ['{"mesh":{"listenPort":"x"}}', "mesh.listenPort"],
  ['{"mesch":{}}', "mesch"],
  ["{", "line 1, column 2"],
  ["[]", "(whole)"],
])("readConfig refuses %s and names %s", async (text, where) => {
  const path = join(folder, "agent.json");
  await writeFile(path, text);
  await expect(readConfig(path)).rejects.toMatchObject({
    code: "config.invalid",
    message: expect.stringContaining(where),
  });
});

test("the provision file's config overrides the image's key by key", () => {
  const merged = overlayConfig(AgentConfig.parse({ mesh: { mtu: 1400 } }), { mesh: { listenPort: 4000 } });
  expect(merged.mesh).toMatchObject({ mtu: 1400, listenPort: 4000 });
  expect(() => overlayConfig(merged, { mesh: { mtu: 1 } })).toThrow(/mesh.mtu/);
});

test("a provision file does not change what the image says, half of the agent would not follow", () => {
  const part = { stateFolder: "/tmp/elsewhere", board: "rpi4", mesh: { mtu: 1300 } };
  expect(fixedIn(part)).toEqual(["board", "stateFolder"]);
  expect(overlayConfig(AgentConfig.parse({}), part)).toEqual(AgentConfig.parse({ mesh: { mtu: 1300 } }));
});

test.each([
  [{ link: { pagePort: 7946 } }, "link.pagePort: TCP port 7946 is that of cluster.port already"],
  [{ telemetry: { port: 7780 } }, "telemetry.port: TCP port 7780 is that of link.helloPort already"],
  [{ update: { lendPort: 1883 } }, "update.lendPort: TCP port 1883 is that of telemetry.port already"],
  [{ mesh: { listenPort: 7946 } }, "cluster.port: UDP port 7946 is that of mesh.listenPort already"],
  [{ mesh: { dnsPort: 51820 } }, "mesh.dnsPort: UDP port 51820 is that of mesh.listenPort already"],
  [{ mesh: { listenPort: 5353 } }, "mesh.listenPort: UDP port 5353 is that of multicast DNS already"],
])("a port for two parts of the agent, of which one could not listen, is refused by name: %j", (part, said) => {
  expect(() => overlayConfig(AgentConfig.parse({}), part)).toThrow(said);
});

test("ports of parts that do not meet may be equal, and a part that is off has none", () => {
  for (const part of [
    { link: { pagePort: 7780 } },
    { link: { pagePort: 0 }, mesh: { dnsPort: 0 } },
    { mesh: { listenPort: 1883 } },
    { mesh: { dnsPort: 7946 } },
  ])
    expect(overlayConfig(AgentConfig.parse({}), part)).toMatchObject(part);
});

test("a config file that somebody names has to be there", async () => {
  const path = join(folder, "agnet.json");
  await expect(readConfig(path, { isNamed: true })).rejects.toMatchObject({
    code: "config.invalid",
    message: `${path} does not exist`,
  });
});
