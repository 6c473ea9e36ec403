import { expect, test } from "vitest";
import { watchNetwork } from "../../../agent/health/network-watch.ts";
import { Warnings } from "../../../agent/health/warnings.ts";
import { silentLog } from "../../../system/log.ts";

test("a device without a network raises a warning after a while, and clears it once it has one", async () => {
  let now = 0;
  let hasNetwork = true;
  const clock = { now: () => now, monotonic: () => now };
  const warnings = new Warnings(clock, silentLog);
  const watching = watchNetwork({ warnings, clock, log: silentLog, hasNetwork: () => hasNetwork });
  const codesAt = async (at: number) => {
    now = at;
    await watching.look();
    return warnings.list().map(({ code }) => code);
  };
  try {
    expect(await codesAt(1_000)).toEqual([]);
    hasNetwork = false;
    expect(await codesAt(15_999)).toEqual([]);
    expect(await codesAt(16_000)).toEqual(["network.down"]);
    hasNetwork = true;
    expect(await codesAt(17_000)).toEqual([]);
  } finally {
    watching.stop();
  }
});

test("a link in the configuration that the device does not have is named, until it is there", async () => {
  let now = 0;
  let absent = ["etho"];
  const clock = { now: () => now, monotonic: () => now };
  const warnings = new Warnings(clock, silentLog);
  const watching = watchNetwork({ warnings, clock, log: silentLog, hasNetwork: () => true, notLinks: () => absent });
  const saidAt = async (at: number) => {
    now = at;
    await watching.look();
    return warnings.list().map(({ code, message }) => `${code}: ${message}`);
  };
  try {
    expect(await saidAt(0)).toEqual([]);
    expect(await saidAt(15_000)).toEqual([
      "config.invalid: link.interfaces names etho, and this device has no such link",
    ]);
    absent = [];
    expect(await saidAt(20_000)).toEqual([]);
  } finally {
    watching.stop();
  }
});
