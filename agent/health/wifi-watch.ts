// Reads what root's Wi-Fi unit leaves of wpa_supplicant's words, one file a link, and warns of what is wrong.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, every } from "../../system/clock.ts";
import { describeError, errnoOf } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import type { Warnings } from "./warnings.ts";
import { judgeWifi, type WifiTrouble } from "./wifi.ts";

const eventsFolder = "/run/hamlet-wifi";
const tickMs = 5_000;

export function watchWifi(options: {
  warnings: Pick<Warnings, "raise" | "clear">;
  clock: Clock;
  log: Log;
  /** The command that gives this device a provision file again. */
  command(): string;
  folder?: string;
}): { stop(): void; look(): Promise<void> } {
  const { warnings, clock, log, command, folder = eventsFolder } = options;
  const heard = new Map<string, { text: string; at: number }>();
  const look = async () => {
    for (const link of await linksIn(folder)) {
      const text = await readFile(join(folder, link), "utf8");
      const before = heard.get(link);
      const at = before?.text === text ? before.at : clock.monotonic();
      heard.set(link, { text, at });
      const trouble = judgeWifi(text.split("\n").slice(-20), clock.monotonic() - at);
      for (const code of codes) if (code !== trouble?.code) warnings.clear(code, link);
      if (trouble) warnings.raise(trouble.code, messageOf(trouble, link), `${command()} ${wifiOptions}`, link);
    }
  };
  const watching = every(tickMs, look, (error) => log.warn(`wifi: ${describeError(error)}`));
  return { ...watching, look };
}

const codes = ["wifi.wrongPassword", "wifi.refused", "wifi.notFound"] as const;
const wifiOptions = "--wifi-ssid <name> --wifi-password-file <file>";

function messageOf({ code, ssid }: WifiTrouble, link: string): string {
  const network = ssid === undefined ? "the Wi-Fi" : `the Wi-Fi "${ssid}"`;
  switch (code) {
    case "wifi.wrongPassword":
      return `${network} does not take this device's password (${link})`;
    case "wifi.refused":
      return `${network} turns this device away: a wrong password, or a filter in the access point (${link})`;
    case "wifi.notFound":
      return `the Wi-Fi that this device was given is not in reach: a misspelt name, or a band that it can not hear (${link})`;
  }
}

const linksIn = (folder: string): Promise<string[]> =>
  readdir(folder).then(
    (names) => names.filter((name) => !name.startsWith(".")),
    (error: unknown) => {
      if (errnoOf(error) === "ENOENT") return [];
      throw error;
    },
  );
