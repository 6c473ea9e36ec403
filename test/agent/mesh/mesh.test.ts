import { expect, test } from "vitest";
import { Warnings } from "../../../agent/health/warnings.ts";
import { startMesh } from "../../../agent/mesh/mesh.ts";
import type { Run } from "../../../system/command.ts";
import { silentLog } from "../../../system/log.ts";

const clock = { now: () => 0, monotonic: () => 0 };
const key = (letter: string) => `${letter.repeat(43)}=`;

/** A kernel that has nothing, keeps nothing and takes a while to say so. */
function makeKernel() {
  const ran: string[] = [];
  const run: Run = async (argv) => {
    ran.push(argv.join(" "));
    await new Promise((resolve) => setTimeout(resolve, 1));
    return "";
  };
  return { ran, run };
}

test("peers that change again and again are applied as often as the kernel can follow, and those of the last change are", async () => {
  const { ran, run } = makeKernel();
  const mesh = await startMesh({
    ...{ interface: "hamlet0", privateKey: key("A"), listenPort: 51_820, mtu: 1_420, run, clock },
    ...{ address: "fd12:3456:789a::1", prefix: "fd12:3456:789a::/48", log: silentLog, userspaceFallback: false },
    journal: { recordMade: async () => {}, release: async () => [] },
    warnings: new Warnings(clock, silentLog),
  });
  ran.splice(0);
  const peer = (endpoint: string) => ({
    ...{ id: "cellar", name: "cellar", wireguardKey: key("B"), address: "fd12:3456:789a::2", keepaliveSeconds: 25 },
    endpoint,
  });
  await Promise.all(Array.from({ length: 200 }, (_, at) => mesh.setPeers([peer(`192.0.2.1:${1_000 + at}`)])));
  const looks = ran.filter((line) => line.includes("address show")).length;
  expect(looks).toBeLessThanOrEqual(2);
  expect(ran.findLast((line) => line.includes("endpoint"))).toContain("192.0.2.1:1199");
  await mesh.setPeers([]);
  expect(ran.filter((line) => line.includes("address show")).length).toBe(looks + 1);
});
