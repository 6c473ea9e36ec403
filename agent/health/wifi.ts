// What wpa_supplicant's own words say of the Wi-Fi that the provision file names. Root's unit leaves its last events in a file a link.
// Pure.

export type WifiTrouble = { code: "wifi.wrongPassword" | "wifi.refused" | "wifi.notFound"; ssid?: string };

/** Scans of all channels take seconds; whoever tries nothing for so long has found nothing to try. */
const notFoundAfterMs = 45_000;
/** A network that is only paused is tried again within five minutes (wpa_supplicant's longest pause). */
const goneAfterMs = 15 * 60_000;

/** `events`: the last ones, oldest first. `silentMs`: for how long no other came. Undefined while nothing is wrong. */
export function judgeWifi(events: readonly string[], silentMs: number): WifiTrouble | undefined {
  let isLost = false;
  const refusesPassword = sinceConnected(events).some(isSaeMismatch);
  for (const event of events.toReversed()) {
    if (event.includes("CTRL-EVENT-CONNECTED")) return isLost && silentMs > notFoundAfterMs ? gone : undefined;
    if (event.includes("CTRL-EVENT-DISCONNECTED")) isLost = true;
    if (event.includes("CTRL-EVENT-NETWORK-NOT-FOUND")) return gone;
    const trouble = refusalIn(event, refusesPassword);
    // It may have been switched off since; what it last said no longer counts.
    if (trouble) return silentMs > goneAfterMs ? gone : trouble;
  }
  return silentMs > notFoundAfterMs ? gone : undefined;
}

const sinceConnected = (events: readonly string[]): readonly string[] =>
  events.slice(events.findLastIndex((event) => event.includes("CTRL-EVENT-CONNECTED")) + 1);

const gone: WifiTrouble = { code: "wifi.notFound" };

/** WPA3 (SAE, type 3): a password that differs shows in the second message, confirm; wpa_supplicant calls that CONN_FAILED only. */
const isSaeMismatch = (event: string): boolean =>
  /CTRL-EVENT-AUTH-REJECT .* auth_type=3 auth_transaction=2 /.test(event);

function refusalIn(event: string, refusesPassword: boolean): WifiTrouble | undefined {
  const [, ssid = "", reason = ""] = /CTRL-EVENT-SSID-TEMP-DISABLED .*?ssid="(.*)" .*reason=(\w+)/.exec(event) ?? [];
  // Its spelling of anything but plain letters is for programs; then we name none.
  const named = /^[ !#-[\]-~]{1,32}$/.test(ssid) ? { ssid } : {};
  if (reason === "WRONG_KEY" || (reason !== "" && refusesPassword)) return { code: "wifi.wrongPassword", ...named };
  if (reason !== "") return { code: "wifi.refused", ...named };
  if (isSaeMismatch(event)) return { code: "wifi.wrongPassword" };
  return /CTRL-EVENT-(ASSOC|AUTH)-REJECT/.test(event) ? { code: "wifi.refused" } : undefined;
}
