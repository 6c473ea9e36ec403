import { expect, test } from "vitest";
import { collectInventory } from "../../../agent/telemetry/inventory.ts";
import { run } from "../../../system/command.ts";

test("the inventory comes from a child process and contains no serial number", async () => {
  const inventory = await collectInventory(run);
  expect(inventory.cpu.cores).toBeGreaterThan(0);
  expect(inventory.memoryBytes).toBeGreaterThan(0);
  expect(JSON.stringify(inventory)).not.toMatch(/serial|[0-9a-f]{2}(:[0-9a-f]{2}){5}/i);
});

test("nonsense from the child gives a coded error", async () => {
  await expect(collectInventory(async () => "[object Object]")).rejects.toMatchObject({ code: "telemetry.invalid" });
});
