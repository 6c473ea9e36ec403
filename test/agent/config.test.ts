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

test("a config file that somebody names has to be there", async () => {
  const path = join(folder, "agnet.json");
  await expect(readConfig(path, { isNamed: true })).rejects.toMatchObject({
    code: "config.invalid",
    message: `${path} does not exist`,
  });
});
