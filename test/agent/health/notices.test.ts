import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { addressesOf, nothingWritten, noticeOf, type Pace, pace } from "../../../agent/health/notices.ts";
import { Warnings } from "../../../agent/health/warnings.ts";
import { watchWifi } from "../../../agent/health/wifi-watch.ts";
import { silentLog } from "../../../system/log.ts";
import { monday } from "../../street.ts";

const status = {
  v: 1,
  phase: "pending",
  name: "attic",
  board: "nuc",
  release: "0.1.0",
  code: "abcd-efgh-ijkl",
  warnings: [],
} as const;
const known = {
  status: { ...status, warnings: [] },
  waiting: [],
  neighborhood: "Elm Street",
  addresses: ["192.168.1.7", "2001:db8::7"],
  pagePort: 80,
};
const expired = {
  code: "token.expired",
  severity: "error",
  message: "the token was good until 2026-01-01",
  hint: "hamlet provision",
  since: monday,
} as const;

/** The seconds at which each of these texts, one a second, is written. */
function writes(texts: string[], pause: number): [at: number, text: string][] {
  let current: Pace = nothingWritten;
  return texts.flatMap((text, second) => {
    const [next, isDue] = pace(current, text, second * 1_000, pause);
    current = next;
    return isDue ? [[second, text] as [number, string]] : [];
  });
}

test("a text that changes every second is written only once it lasts, and then twice", () => {
  const texts = ["a", "b", "c", ...Array<string>(60).fill("d")];
  expect(writes(texts, 10_000)).toEqual([
    [6, "d"],
    [26, "d"],
  ]);
});

test("a flapping text is written at most once a pause", () => {
  const texts = Array.from({ length: 120 }, (_, second) => (Math.floor(second / 5) % 2 ? "up" : "down"));
  expect(writes(texts, 60_000).length).toBeLessThanOrEqual(2 * 2); // each twice
  expect(writes(texts, 0).length).toBeGreaterThan(10); // it does flap
});

test("screen and card show the same: the problem, the adoption code and the command", () => {
  const { name, report, console } = noticeOf({ ...known, warnings: [expired] });
  expect(name).toBe("attic");
  for (const told of [report.toString("latin1"), console]) {
    expect(told).toContain(expired.message);
    expect(told).toContain(expired.hint);
    expect(told).toContain("abcd-efgh-ijkl");
  }
});

test("an unprovisioned device has no hostname and no adoption code, because its key changes at each start", () => {
  const nobody = noticeOf({ ...known, status: { ...known.status, phase: "unprovisioned" }, warnings: [] });
  expect(nobody.name).toBeUndefined();
  for (const told of [nobody.report.toString("latin1"), nobody.console]) expect(told).not.toMatch(/abcd|adoption/i);
});

test("IPv4 addresses come first, and link-local ones are left out", () => {
  const addresses = ["2001:db8::7", "fe80::7", "192.168.1.7"].map((address) => ({ address, bits: 64 }));
  expect(addressesOf([{ addresses }])).toEqual(["192.168.1.7", "2001:db8::7"]);
});

test("a wrong Wi-Fi password is a warning until the device is connected", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-wifi-"));
  let at = 0;
  const clock = { now: () => monday, monotonic: () => at };
  const warnings = new Warnings(clock, silentLog);
  const watch = watchWifi({
    warnings,
    clock,
    log: silentLog,
    command: () => "hamlet provision <card>",
    folder: join(folder, "seen"),
  });
  const codes = () => warnings.list().map(({ code }) => code);
  try {
    await watch.look(); // no Wi-Fi, no folder
    await mkdir(join(folder, "seen"));
    const hear = (text: string) => writeFile(join(folder, "seen/wlan0"), text);
    await hear('wlan0: CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid="home" auth_failures=1 duration=10 reason=WRONG_KEY\n');
    await watch.look();
    expect(warnings.list()).toMatchObject([
      { code: "wifi.wrongPassword", hint: expect.stringMatching(/^hamlet provision <card> .*--wifi-password-file/) },
    ]);
    await hear("wlan0: CTRL-EVENT-CONNECTED - Connection to 02:00:00:00:00:00 completed\n");
    await watch.look();
    expect(codes()).toEqual([]);
    await hear("");
    await watch.look();
    at = 60_000;
    await watch.look();
    expect(codes()).toEqual(["wifi.notFound"]);
  } finally {
    watch.stop();
    await rm(folder, { recursive: true });
  }
});
