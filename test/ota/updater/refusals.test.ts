import { expect, test } from "vitest";
import { type Device, refusalOf } from "../../../ota/updater/refusals.ts";

const device: Device = { version: "0.2.0", floor: undefined, failed: [], isDataLost: false };
const refusal = (version: string, change: Partial<Device> = {}, installFrom?: string) =>
  refusalOf({ version, ...(installFrom !== undefined && { installFrom }) }, { ...device, ...change })?.code;

test("a newer release is taken", () => {
  expect(refusal("0.2.1")).toBeUndefined();
  expect(refusal("0.10.0", { floor: "0.2.0" }, "0.2.0")).toBeUndefined();
});

test("a release that is older than the running one, or the same, is refused", () => {
  expect(refusal("0.2.0")).toBe("update.notNewer");
  expect(refusal("0.1.9")).toBe("update.notNewer");
  expect(refusal("0.2.0~rc1")).toBe("update.notNewer");
});

test("a release older than one that was committed here is refused, even if an older one runs again", () => {
  expect(refusal("0.2.1", { floor: "0.3.0" })).toBe("update.notNewer");
  expect(refusal("0.3.0", { floor: "0.3.0" })).toBeUndefined();
});

test("a release that needs one in between is refused", () => {
  expect(refusal("0.4.0", {}, "0.3.0")).toBe("update.tooOld");
});

test("a release that failed is refused, a newer one is not", () => {
  expect(refusal("0.2.1", { failed: ["0.2.1"] })).toBe("update.failedBefore");
  expect(refusal("0.2.2", { failed: ["0.2.1"] })).toBeUndefined();
});

test("a device that keeps its state in memory takes no release", () => {
  expect(refusal("0.2.1", { isDataLost: true })).toBe("update.dataLost");
});
