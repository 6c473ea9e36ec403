// What `ota publish --rollout auto` makes of its options.
import { expect, test } from "vitest";
import { otaPublish } from "../../../cli/commands/ota/publish.ts";
import { describePolicy, readPolicy } from "../../../cli/commands/rollout/terms.ts";

const usual = { kind: "auto", waves: ["canary", 100], soakSeconds: 43_200, successPercent: 95, maxFailures: 1 };

test("without --rollout a release waits until somebody asks for it", () => {
  expect(readPolicy(otaPublish, {})).toBeUndefined();
});

test("a home that nobody looks after gets one device first, half a day to see, and the night", () => {
  expect(readPolicy(otaPublish, { rollout: "auto" })).toEqual({ ...usual, window: "02:00-05:00" });
});

test("each of them can be said, and the night can be left out", () => {
  const given = { waves: "canary,25%,100%", soak: "1d", success: "100%", "max-failures": "2", window: "none" };
  const policy = readPolicy(otaPublish, { rollout: "auto", ...given })!;
  expect(policy).toEqual({
    ...{ kind: "auto", waves: ["canary", 25, 100], soakSeconds: 86_400, successPercent: 100, maxFailures: 2 },
  });
  expect(describePolicy(policy)).toBe(
    "waves canary, 25 %, 100 %; soak 1 d; success 100 %; stops at failure 2; 1 away at most",
  );
});
