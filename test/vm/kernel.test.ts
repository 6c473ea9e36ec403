// Tests that need a kernel with WireGuard. One machine serves the whole file.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Kernel, lacksKernel, startKernel } from "./kernel.ts";

const skip = lacksKernel();
let kernel: Kernel;
beforeAll(async () => {
  if (skip) return;
  kernel = await startKernel();
  process.stderr.write(`${kernel.release} in ${Math.round(kernel.bootMs)} ms\n`);
});
afterAll(() => kernel?.[Symbol.asyncDispose]());

test.skipIf(skip)(
  "kernel WireGuard carries the mesh for a user with one capability, and a second plan is empty",
  async () => {
    const seen = await kernel.run("mesh");
    process.stderr.write(
      `mesh up in ${Math.round(seen.startMs)} ms, 500 peers in ${Math.round(seen.manyMs)} ms (emulated)\n`,
    );
    expect(seen.warnings).toEqual([]);
    expect(seen.pings).toEqual([true, true]);
    expect(seen.shown).toContain("latest handshake");
    // Applying the plan again changes nothing.
    expect([seen.dueAfterStart, seen.dueAfterPeers, seen.dueAfterMany]).toEqual(["", "", ""]);
    // A working endpoint stays, even if another is offered.
    expect(seen.endpointKept).toBe("192.168.77.9:51820");
    expect(seen.sessionKept).toBe(true);
    // The guard drops the forged packets.
    expect(seen.isGuarded).toBe(true);
    expect(seen.forgedPing).toBe(false);
    expect(seen.arriving).toMatch(/saddr \S+ counter packets [1-9]/);
    // The next agent corrects what a killed one left behind.
    expect(seen.corrected).toEqual({ hasNewKey: true, peers: 0, due: "" });
    // A stopped agent leaves only its protection behind, and other programs' settings as they were.
    expect(seen.isGone).toBe(true);
    expect(seen.left).toMatch(/^unreachable [^\n]*\n$/);
    expect(seen.foreignBefore.join("\n")).toMatch(/tcp dport 22[\s\S]*unreachable fd99::\/48/);
    expect(seen.foreignAfter).toEqual(seen.foreignBefore);
  },
);

test.skipIf(skip)("sysctls are applied and restored exactly, even after a SIGKILL", async () => {
  const seen = await kernel.run("tuning");
  const keys = seen.applied.map(({ key }) => key).sort();
  expect(keys).toContain("net.ipv4.tcp_congestion_control");
  expect(seen.applied[0]).toMatchObject({ profile: "bbr", was: "cubic", is: "bbr" });
  // Apart from the keys that change when the kernel loads BBR's module, nothing else changed.
  const byModule = ["net.ipv4.tcp_allowed_congestion_control", "net.ipv4.tcp_available_congestion_control"];
  const beside = (changed: string[]) => changed.filter((key) => !byModule.includes(key));
  expect(beside(seen.during)).toEqual(keys);
  expect(beside(seen.afterStop)).toEqual([]);
  expect(beside(seen.afterKill)).toEqual(keys);
  expect(beside(seen.afterNextStart)).toEqual([]);
  expect(seen.warnings).toEqual([]);
});

test.skipIf(skip)("a drive that the kernel makes fail never ends up as a card that looks fine", async () => {
  const blank = { state: "blank", hasTable: false };
  expect(await kernel.run("flash")).toEqual({
    healthy: { code: "none", state: "complete", hasTable: true },
    badSector: { code: "flash.deviceFailed", ...blank },
    wrongReads: { code: "flash.verifyFailed", ...blank },
    droppedWrites: { code: "flash.verifyFailed", ...blank },
    // Even the old table cannot be removed then: the drive keeps its old content.
    allDropped: { code: "flash.verifyFailed", state: "unknown", hasTable: false },
    smallerThanItSays: { code: "flash.lyingSize", ...blank },
    pulled: { code: "flash.deviceFailed", ...blank },
  });
});
