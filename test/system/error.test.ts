import { expect, test } from "vitest";
import { describeError, HamletError } from "../../system/error.ts";

test("an error is described with its code, hint and cause in one line", () => {
  const error = new HamletError("file.full", "no space", { hint: "free some", cause: new Error("ENOSPC") });
  expect(describeError(error)).toBe("file.full: no space (free some) <- ENOSPC");
});

test("mqtt-percent: the error for a host with several addresses names each failure", () => {
  const all = new AggregateError([new Error("connect ECONNREFUSED ::1"), new Error("connect ECONNREFUSED 127.0.0.1")]);
  expect(describeError(all)).toBe("connect ECONNREFUSED ::1; connect ECONNREFUSED 127.0.0.1");
});
