import { expect, test } from "vitest";
import { judgeWifi } from "../../../agent/health/wifi.ts";

const link = "wlan0: ";
const connected = `${link}CTRL-EVENT-CONNECTED - Connection to 02:00:00:00:00:00 completed [id=0 id_str=]`;
const lost = `${link}CTRL-EVENT-DISCONNECTED bssid=02:00:00:00:00:00 reason=4 locally_generated=1`;
const wrongKey = (ssid = "home") =>
  `${link}CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid="${ssid}" auth_failures=1 duration=10 reason=WRONG_KEY`;
const reenabled = `${link}CTRL-EVENT-SSID-REENABLED id=0 ssid="home"`;
const rejected = `${link}CTRL-EVENT-ASSOC-REJECT bssid=02:00:00:00:00:00 status_code=17`;

test("a wrong password is reported, even while it is being tried again", () => {
  const wanted = { code: "wifi.wrongPassword", ssid: "home" };
  expect(judgeWifi([lost, wrongKey()], 0)).toEqual(wanted);
  expect(judgeWifi([wrongKey(), reenabled, lost], 60_000)).toEqual(wanted);
});

test("an access point that refuses for another reason is reported as such", () => {
  expect(judgeWifi([rejected], 0)).toEqual({ code: "wifi.refused" });
  const failed = wrongKey().replace("WRONG_KEY", "CONN_FAILED");
  expect(judgeWifi([failed], 0)).toEqual({ code: "wifi.refused", ssid: "home" });
});

test("a network that cannot be found is reported after a while, not at once", () => {
  expect(judgeWifi([], 10_000)).toBeUndefined();
  expect(judgeWifi([], 60_000)).toEqual({ code: "wifi.notFound" });
});

test("a connection clears the problem for as long as it lasts", () => {
  expect(judgeWifi([wrongKey(), connected], 3_600_000)).toBeUndefined();
  expect(judgeWifi([connected, lost], 10_000)).toBeUndefined();
  expect(judgeWifi([connected, lost], 60_000)).toEqual({ code: "wifi.notFound" });
});

test("an access point that is switched off after refusing is finally reported as missing", () => {
  expect(judgeWifi([wrongKey()], 20 * 60_000)).toEqual({ code: "wifi.notFound" });
});

test("a network name with special characters is not repeated and cannot forge another event", () => {
  expect(judgeWifi([wrongKey("caf\\xc3\\xa9")], 0)).toEqual({ code: "wifi.wrongPassword" });
  expect(judgeWifi([wrongKey('a" reason=CONN_FAILED "')], 0)).toEqual({ code: "wifi.wrongPassword" });
});

test("lines without a known event give no result", () => {
  expect(judgeWifi(["", "wlan0: SME: Trying to authenticate", "\u0000"], 0)).toBeUndefined();
});

// Recorded from wpa_supplicant 2.10 with hostapd 2.10 over two simulated radios (mac80211_hwsim).
const heard = {
  "WPA2, a wrong password": `
wlan1: CTRL-EVENT-SUBNET-STATUS-UPDATE status=0
wlan1: CTRL-EVENT-DISCONNECTED bssid=02:00:00:00:00:00 reason=15
wlan1: CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid="home" auth_failures=1 duration=10 reason=WRONG_KEY
wlan1: CTRL-EVENT-SSID-REENABLED id=0 ssid="home"
wlan1: CTRL-EVENT-SUBNET-STATUS-UPDATE status=0`,
  "WPA3, a wrong password": `
wlan1: CTRL-EVENT-AUTH-REJECT 02:00:00:00:00:00 auth_type=3 auth_transaction=2 status_code=1
wlan1: CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid="home" auth_failures=1 duration=10 reason=CONN_FAILED
wlan1: CTRL-EVENT-SSID-REENABLED id=0 ssid="home"
wlan1: CTRL-EVENT-AUTH-REJECT 02:00:00:00:00:00 auth_type=3 auth_transaction=2 status_code=1
wlan1: CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid="home" auth_failures=2 duration=20 reason=CONN_FAILED`,
  "the right password": `
wlan1: CTRL-EVENT-SUBNET-STATUS-UPDATE status=0
wlan1: CTRL-EVENT-CONNECTED - Connection to 02:00:00:00:00:00 completed [id=0 id_str=]`,
};

test.each([
  ["WPA2, a wrong password", { code: "wifi.wrongPassword", ssid: "home" }],
  ["WPA3, a wrong password", { code: "wifi.wrongPassword", ssid: "home" }],
  ["the right password", undefined],
] as const)("a recorded log is judged correctly: %s", (what, wanted) => {
  expect(judgeWifi(heard[what].split("\n"), 10_000)).toEqual(wanted);
});

test("a failure before the last connection does not count", () => {
  const [mismatch = ""] = heard["WPA3, a wrong password"].trim().split("\n");
  const failed = wrongKey().replace("WRONG_KEY", "CONN_FAILED");
  expect(judgeWifi([mismatch, connected, lost, failed], 0)).toEqual({ code: "wifi.refused", ssid: "home" });
  expect(judgeWifi([mismatch], 0)).toEqual({ code: "wifi.wrongPassword" });
});
