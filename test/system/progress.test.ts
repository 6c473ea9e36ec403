import { expect, test } from "vitest";
import { progressText } from "../../system/progress.ts";

test("a progress line tells percent, rate and time left", () => {
  expect(progressText("writing root", 50e6, 100e6, 2)).toBe("writing root: 50 %  25 MB/s  2 s left");
});
