// Collects the device's inventory: starts inventory-child.ts and checks its answer.
import { InventoryPayload } from "../../ota/fleet/topics.ts";
import type { Run } from "../../system/command.ts";
import { HamletError } from "../../system/error.ts";
import { explainIssues, parseJson } from "../../system/files.ts";
import { programFile } from "../../system/package.ts";

/** Throws the command's error or `telemetry.invalid`. */
export async function collectInventory(run: Run): Promise<InventoryPayload> {
  // 60 s: it takes 1 s on a NUC, and a Pi 3 that is busy with an update may take twenty times as long.
  const child = programFile("inventory.mjs", "agent/telemetry/inventory-child.ts");
  const answer = await run([process.execPath, child], { timeoutMs: 60_000, maxStdoutBytes: 1 << 20 });
  const parsed = InventoryPayload.safeParse(parseJson(answer));
  if (parsed.success) return parsed.data;
  throw new HamletError("telemetry.invalid", `the inventory does not fit its schema: ${explainIssues(parsed.error)}`);
}
