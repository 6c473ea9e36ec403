import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { announcements } from "../../../agent/telemetry/homeassistant.ts";
import { collectInventory } from "../../../agent/telemetry/inventory.ts";
import { brokerLimits, mayPublish } from "../../../ota/fleet/access.ts";
import { topicOf } from "../../../ota/fleet/topics.ts";
import { run } from "../../../system/command.ts";

test("the inventory comes from a child process and names no serial number", async () => {
  const entry = fileURLToPath(new URL("../../../agent/main.ts", import.meta.url));
  const inventory = await collectInventory(run, entry);
  expect(inventory.cpu.cores).toBeGreaterThan(0);
  expect(inventory.memoryBytes).toBeGreaterThan(0);
  expect(JSON.stringify(inventory)).not.toMatch(/serial|[0-9a-f]{2}(:[0-9a-f]{2}){5}/i);
});

test("a child that answers nonsense ends as a coded error", async () => {
  await expect(collectInventory(async () => "[object Object]")).rejects.toMatchObject({ code: "telemetry.invalid" });
});

test("what is announced to Home Assistant passes the broker's rules and shows the device's own values", () => {
  const self = { id: "a".repeat(26), neighborhood: "n".repeat(26), name: "attic", board: "nuc", release: "1.0.0" };
  const all = announcements(self);
  expect(all.length).toBeGreaterThan(3);
  expect(new Set(all.map(([topic]) => topic)).size).toBe(all.length);
  for (const [topic, payload] of all) {
    const json = JSON.parse(payload) as Record<string, unknown>;
    const packet = { topic, payload, retain: true };
    const { id: device, neighborhood } = self;
    expect(
      mayPublish({ neighborhood, device, packet, json: () => json, kept: new Set(), limits: brokerLimits }),
    ).toBeUndefined();
    expect(json).toMatchObject({ state_topic: topicOf(neighborhood, device, "metrics"), device: { name: "attic" } });
  }
});
