import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { makeSaver } from "../../../../image/lab/saved/saver.ts";
import { silentLog } from "../../../../system/log.ts";

const device = (more: object = {}) => ({
  ...{ name: "attic", isPartitioned: false, board: "nuc", image: "", serial: "", page: "", console: "", seenBy: [] },
  ...{ state: "alive" as const, handshakes: 1, telemetry: true, reached: { telemetry: 5 } },
  ...more,
});
const whole = { devices: [device(), device({ name: "cellar" })] };
const up = { devices: [device(), device({ name: "cellar", telemetry: false })] };
const booting = { devices: [device(), device({ name: "cellar", state: "booting" })] };

test("a lab is saved once, when all devices are well", async () => {
  let saved = 0;
  const saver = makeSaver(async () => void saved++, silentLog);
  saver.see(booting, 1);
  saver.see(up, 2);
  expect([saver.phase().saving, saved]).toEqual(["waiting", 0]);
  saver.see(whole, 3);
  expect(saver.phase().saving).toBe("saving");
  await setImmediate();
  saver.see(whole, 4);
  saver.touch("attic was entered");
  expect([saver.phase(), saved]).toEqual([{ saving: "saved" }, 1]);
});

test("a lab that was touched before it was whole is not saved, and says why", () => {
  const saver = makeSaver(async () => expect.fail("saved"), silentLog);
  saver.see(up, 1);
  saver.touch("attic was entered");
  saver.see(whole, 2);
  expect(saver.phase()).toEqual({ saving: "given up", problem: "attic was entered before all devices saw each other" });
});

test("the saver gives up waiting for devices that never all see each other", () => {
  const saver = makeSaver(async () => expect.fail("saved"), silentLog);
  saver.see(up, 100);
  saver.see(up, 400);
  expect(saver.phase().saving).toBe("waiting");
  saver.see(up, 401);
  expect(saver.phase()).toMatchObject({ saving: "given up" });
});

test("a failed save is reported and not retried", async () => {
  const saver = makeSaver(async () => Promise.reject(new Error("no space left")), silentLog);
  saver.see(whole, 1);
  await setImmediate();
  saver.see(whole, 2);
  expect(saver.phase()).toEqual({ saving: "given up", problem: expect.stringContaining("no space left") });
});

test("a lab that cannot be saved does not wait for a save", () => {
  const saver = makeSaver(undefined, silentLog);
  saver.see(whole, 1);
  saver.touch("attic was entered");
  expect(saver.phase()).toEqual({ saving: "none" });
});
