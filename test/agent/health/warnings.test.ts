import { expect, test } from "vitest";
import { Warnings } from "../../../agent/health/warnings.ts";
import { silentLog } from "../../../system/log.ts";

let now = 1_000;
const make = () => new Warnings({ now: () => now, monotonic: () => now }, silentLog);

test("a warning keeps its beginning while it stands, and is gone when it is over", () => {
  const warnings = make();
  warnings.raise("member.dead", "cellar is gone", "look", "cellar");
  now = 5_000;
  warnings.raise("member.dead", "cellar is still gone", "look", "cellar");
  expect(warnings.list()).toEqual([
    { code: "member.dead", message: "cellar is still gone", hint: "look", since: 1_000 },
  ]);
  warnings.clear("member.dead", "cellar");
  expect(warnings.list()).toEqual([]);
});

test("what strangers can raise does not fill the memory", () => {
  const warnings = make();
  for (let at = 0; at < 10_000; at++) warnings.raise("record.refused", "no", "no", String(at));
  expect(warnings.list().length).toBeLessThanOrEqual(64);
});
