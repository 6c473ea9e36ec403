import { expect, test } from "vitest";
import { warningCauses } from "../../../agent/health/warning-causes.ts";
import type { WarningCode } from "../../../agent/health/warning-codes.ts";
import { Warnings } from "../../../agent/health/warnings.ts";
import { silentLog } from "../../../system/log.ts";

let now = 1_000;
const make = () => new Warnings({ now: () => now, monotonic: () => now }, silentLog);

test("a warning keeps its start time while it lasts, and disappears when cleared", () => {
  const warnings = make();
  warnings.raise("member.dead", "cellar is gone", "look", "cellar");
  now = 5_000;
  warnings.raise("member.dead", "cellar is still gone", "look", "cellar");
  expect(warnings.list()).toEqual([
    { code: "member.dead", severity: "error", message: "cellar is still gone", hint: "look", since: 1_000 },
  ]);
  warnings.clear("member.dead", "cellar");
  expect(warnings.list()).toEqual([]);
});

test("one dead cable is one warning, and its consequences name it until it is fixed", () => {
  const warnings = make();
  warnings.raise("member.dead", "cellar is gone", "look", "cellar");
  warnings.raise("network.down", "no network", "look");
  warnings.raise("port.taken", "7780", "look");
  const origins = () => warnings.list().map(({ code, follows }) => [code, follows]);
  expect(origins()).toEqual([
    ["member.dead", "network.down"],
    ["network.down", undefined],
    ["port.taken", undefined],
  ]);
  warnings.raise("wifi.refused", "no", "look", "wlan0");
  expect(origins()).toContainEqual(["network.down", "wifi.refused"]);
  warnings.clear("wifi.refused", "wlan0");
  warnings.clear("network.down");
  expect(origins()).toContainEqual(["member.dead", undefined]);
});

test("no warning follows from itself, directly or through others", () => {
  const origins = (code: WarningCode, path: WarningCode[] = []): void => {
    expect(path).not.toContain(code);
    for (const origin of warningCauses[code].follows ?? []) origins(origin, [...path, code]);
  };
  for (const code of Object.keys(warningCauses) as WarningCode[]) origins(code);
});

test("many warnings of one kind hide none of another", () => {
  const warnings = make();
  warnings.raise("network.down", "no network", "look");
  for (let at = 0; at < 5; at++) warnings.raise("member.dead", "it is gone", "look", String(at));
  for (let at = 0; at < 10_000; at++) warnings.raise("token.disputed", "it waits", "adopt it", String(at));
  const codes = warnings.list().map(({ code }) => code);
  expect(codes.slice(0, 6)).toEqual(["network.down", ...Array(5).fill("member.dead")]);
  expect(warnings.list().length).toBeLessThanOrEqual(64);
});

test("warnings that strangers can cause do not fill the memory", () => {
  const warnings = make();
  for (let at = 0; at < 10_000; at++) warnings.raise("record.refused", "no", "no", String(at));
  expect(warnings.list().length).toBeLessThanOrEqual(64);
});
