import { expect, test } from "vitest";
import { afterReset, coldState, rebootOnConsole, takeState } from "../../../../image/lab/firmware/reset.ts";

test("a tryboot request works once: a hang, a panic, a watchdog reset or a power cut returns to the old slot", () => {
  const asked = afterReset({ kind: "reboot", argument: "0 tryboot" });
  const { boot, left } = takeState(asked);
  expect(boot).toEqual({ isTryboot: true, partition: 0 });
  expect(left).toEqual(coldState);
  for (const reset of [{ kind: "watchdog" }, { kind: "power" }, { kind: "reboot" }] as const) {
    expect(takeState(afterReset(reset)).boot.isTryboot).toBe(false);
  }
});

test.each([
  ["3", { isTryboot: false, partition: 3 }],
  ["3 tryboot", { isTryboot: true, partition: 3 }],
  ["tryboot", coldState],
  ["0 TRYBOOT", coldState],
  ["63 tryboot", coldState],
  ["now please", coldState],
])("the argument %j asks for %j", (argument, state) => {
  expect(afterReset({ kind: "reboot", argument })).toEqual(state);
});

test("the kernel's last message on the console names the reset request", () => {
  const console = "boot\r\n[   23.938204] reboot: Restarting system with command '0 tryboot'\r\n";
  expect(rebootOnConsole(console)).toEqual({ kind: "reboot", argument: "0 tryboot" });
  expect(rebootOnConsole(`${console}[  1.0] reboot: Restarting system\n`)).toEqual({ kind: "reboot" });
  expect(rebootOnConsole("Kernel panic - not syncing")).toBeUndefined();
});
