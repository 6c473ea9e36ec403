// The last events of wpa_supplicant, one file a link: root's script `wifi` writes them, the agent reads what is wrong with the Wi-Fi.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../../system/error.ts";
import { readSmallFile } from "../../system/small-file.ts";

const wifiEventsFolder = "/run/hamlet-wifi";
/** The script keeps the last 20 lines. */
const maxBytes = 64 << 10;

/** Link -> its events, the oldest first. */
export async function readWifiEvents(folder = wifiEventsFolder): Promise<Map<string, string[]>> {
  const names = await readdir(folder).catch((error: unknown): string[] => {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  });
  const events = new Map<string, string[]>();
  // A name with a dot before it is a file that the script is about to rename.
  for (const link of names.filter((name) => !name.startsWith("."))) {
    const bytes = await readSmallFile(join(folder, link), maxBytes);
    if (bytes) events.set(link, bytes.toString("utf8").split("\n").slice(-20));
  }
  return events;
}
