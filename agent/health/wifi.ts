// Finds out from wpa_supplicant's last events what is wrong with the Wi-Fi that the provision file names.
// Pure.

export type WifiTrouble = { code: "wifi.wrongPassword" | "wifi.refused" | "wifi.notFound"; ssid?: string };

/** A scan of all channels takes seconds; if wpa_supplicant tries nothing for this long, it has not found the network. */
const notFoundAfterMs = 45_000;
/** wpa_supplicant pauses a network for at most five minutes, then tries it again. */
const goneAfterMs = 15 * 60_000;

/** `events`: the last ones, oldest first. `silentMs`: time since the last one. Undefined while nothing is wrong. */
export function judgeWifi(events: readonly string[], silentMs: number): WifiTrouble | undefined {
  let isLost = false;
  const refusesPassword = sinceConnected(events).some(isSaeMismatch);
  for (const event of events.toReversed()) {
    if (event.includes("CTRL-EVENT-CONNECTED")) return isLost && silentMs > notFoundAfterMs ? gone : undefined;
    if (event.includes("CTRL-EVENT-DISCONNECTED")) isLost = true;
    if (event.includes("CTRL-EVENT-NETWORK-NOT-FOUND")) return gone;
    const trouble = refusalIn(event, refusesPassword);
    // The access point may have been switched off since, so its last answer no longer counts.
    if (trouble) return silentMs > goneAfterMs ? gone : trouble;
  }
  return silentMs > notFoundAfterMs ? gone : undefined;
}

const sinceConnected = (events: readonly string[]): readonly string[] =>
  events.slice(events.findLastIndex((event) => event.includes("CTRL-EVENT-CONNECTED")) + 1);

const gone: WifiTrouble = { code: "wifi.notFound" };

/** WPA3 (SAE, type 3): a wrong password fails in the second message, confirm; wpa_supplicant reports only CONN_FAILED. */
const isSaeMismatch = (event: string): boolean =>
  /CTRL-EVENT-AUTH-REJECT .* auth_type=3 auth_transaction=2 /.test(event);

function refusalIn(event: string, refusesPassword: boolean): WifiTrouble | undefined {
  const [, ssid = "", reason = ""] = /CTRL-EVENT-SSID-TEMP-DISABLED .*?ssid="(.*)" .*reason=(\w+)/.exec(event) ?? [];
  // wpa_supplicant escapes other characters; leave such a name out.
  const named = /^[ !#-[\]-~]{1,32}$/.test(ssid) ? { ssid } : {};
  if (reason === "WRONG_KEY" || (reason !== "" && refusesPassword)) return { code: "wifi.wrongPassword", ...named };
  if (reason !== "") return { code: "wifi.refused", ...named };
  if (isSaeMismatch(event)) return { code: "wifi.wrongPassword" };
  return /CTRL-EVENT-(ASSOC|AUTH)-REJECT/.test(event) ? { code: "wifi.refused" } : undefined;
}
