import { expect, test } from "vitest";
import { publicOf } from "../../../agent/health/public.ts";
import { warningCauses } from "../../../agent/health/warning-causes.ts";
import type { WarningCode } from "../../../agent/health/warning-codes.ts";

const warning = (code: WarningCode) => ({ code, severity: "error" as const, message: "m", hint: "h", since: 1 });

/** Those that name another device, an address, or what an owner has ordered. */
const hidden: WarningCode[] = [
  ...(["broker.unreachable", "config.invalid", "discovery.failed", "identity.cloned", "member.dead"] as const),
  ...(["member.nameTaken", "member.wrongBytes", "record.refused", "rollout.noHours", "rollout.paused"] as const),
  ...(["token.disputed", "token.surplus", "tuning.failed", "update.noUpdater", "update.waiting"] as const),
];

test("strangers see no warning that names another device", () => {
  const all = (Object.keys(warningCauses) as WarningCode[]).map(warning);
  const seen = publicOf(all).map(({ code }) => code);
  // A new warning is hidden until somebody has decided otherwise.
  expect(
    all
      .map(({ code }) => code)
      .filter((code) => !seen.includes(code))
      .sort(),
  ).toEqual(hidden.sort());
});
