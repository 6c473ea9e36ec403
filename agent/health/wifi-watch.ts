// Reads wpa_supplicant's events, which root's Wi-Fi unit stores in one file a link, and warns of problems.
import { readWifiEvents } from "../../provisioning/handover/wifi-events.ts";
import { type Clock, every } from "../../system/clock.ts";
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import type { Warnings } from "./warnings.ts";
import { judgeWifi, type WifiTrouble } from "./wifi.ts";

const tickMs = 5_000;

export function watchWifi(options: {
  warnings: Pick<Warnings, "raise" | "clear">;
  clock: Clock;
  log: Log;
  /** The command that provisions this device again. */
  command(): string;
  folder?: string;
}): { stop(): void; look(): Promise<void> } {
  const { warnings, clock, log, command, folder } = options;
  const seen = new Map<string, { text: string; at: number }>();
  const look = async () => {
    for (const [link, events] of await readWifiEvents(folder)) {
      const text = events.join("\n");
      const before = seen.get(link);
      const at = before?.text === text ? before.at : clock.monotonic();
      seen.set(link, { text, at });
      const trouble = judgeWifi(events, clock.monotonic() - at);
      for (const code of codes) if (code !== trouble?.code) warnings.clear(code, link);
      if (!trouble) continue;
      const hidden =
        trouble.code === "wifi.notFound" ? "; add --wifi-hidden if the access point does not send its name" : "";
      warnings.raise(trouble.code, messageOf(trouble, link), `${command()} ${wifiOptions}${hidden}`, link);
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
      return `${network} does not accept this device's password (${link})`;
    case "wifi.refused":
      return `${network} rejects this device: wrong password, or a filter in the access point (${link})`;
    case "wifi.notFound":
      return `the configured Wi-Fi is not in range: its name is misspelt or hidden, or it uses a band that this device lacks (${link})`;
  }
}
