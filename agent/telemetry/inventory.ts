// What the device is made of, as the child process of inventory-child.ts found it.
import { fileURLToPath } from "node:url";
import { InventoryPayload } from "../../ota/fleet/topics.ts";
import type { Run } from "../../system/command.ts";
import { HamletError } from "../../system/error.ts";
import { explainIssues, parseJson } from "../../system/files.ts";

/** Beside the agent's bundle, or this file's neighbor where the agent runs from its sources. */
const childName = import.meta.url.endsWith(".mjs") ? "inventory.mjs" : "inventory-child.ts";

/** Starts the child and gives what it found. Throws the command's error or `telemetry.invalid`. */
export async function collectInventory(run: Run): Promise<InventoryPayload> {
  // 60 s: it takes 1 s on a NUC, and a Pi 3 that is busy with an update may need twenty times that.
  const child = fileURLToPath(new URL(childName, import.meta.url));
  const answer = await run([process.execPath, child], { timeoutMs: 60_000, maxStdoutBytes: 1 << 20 });
  const parsed = InventoryPayload.safeParse(parseJson(answer));
  if (parsed.success) return parsed.data;
  throw new HamletError("telemetry.invalid", `the inventory does not fit its schema: ${explainIssues(parsed.error)}`);
}
