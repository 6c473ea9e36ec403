// Devices that resumed from a saved state must handle a clock jump, a cut cable, a power cut and a reset like devices that have
// been up all the time.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isWhole } from "../../image/lab/supervisor/whole.ts";
import { eventually } from "../eventually.ts";
import { testImage } from "./image.ts";
import { bootLab, deviceOf } from "./lab.ts";

const names = ["attic", "cellar", "kitchen"];
const soon = { within: 90_000, every: 1_000 };
/** Several times as long as it takes to declare a member dead: none may be declared dead in that time. */
const calmMs = 60_000;

/** Throws if a resumed device behaves differently from one that was up all the time. */
export async function proveWoken(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-woken-"));
  const how = {
    images: [await testImage()],
    devices: names.length,
    from: "state" as const,
    states: join(folder, "lab"),
  };
  try {
    {
      await using first = await bootLab(how);
      assert.equal((await first.status()).start.saving, "saved");
    }
    await using lab = await bootLab(how);
    const whole = await lab.until(isWhole);
    assert.equal(whole.start.from, "state");
    const seen = async (witness: string, name: string, state: string) => {
      const { id } = deviceOf(whole, name);
      const is = async () => (await lab.statusOf(witness)).members.find((member) => member.id === id)?.state;
      await eventually(async () => assert.equal(await is(), state), soon);
    };

    // To a device, resuming after a day is a clock jump. All jump at once, and no time server answers.
    const jumps = await Promise.all(names.map((name) => lab.on(name, "date", "--utc", "--set", "+23 hours", "+%s")));
    for (const { code, stdout } of jumps) {
      assert.equal(code, 0);
      assert.ok(Number(stdout) > Date.now() / 1000 + 22 * 3600, "the clock did not jump");
    }
    const calmUntil = performance.now() + calmMs;
    while (performance.now() < calmUntil) {
      for (const name of names) {
        const { members } = await lab.statusOf(name);
        assert.deepEqual(
          members.filter(({ state }) => state === "dead").map((member) => member.name),
          [],
        );
      }
    }
    await lab.until(isWhole);

    assert.equal((await lab.hamlet("lab", "partition", "cellar")).code, 0);
    await seen("attic", "cellar", "dead");
    assert.equal((await lab.hamlet("lab", "heal")).code, 0);
    await seen("attic", "cellar", "alive");

    await lab.cut("attic");
    await seen("cellar", "attic", "dead");
    await lab.restore("attic");
    const { devices } = await lab.until((status) => deviceOf(status, "attic").handshakes > 0);
    const [before, after] = [deviceOf(whole, "attic"), devices.find(({ name }) => name === "attic")!];
    assert.deepEqual([after.id, after.address], [before.id, before.address]);
    await seen("cellar", "attic", "alive");

    assert.equal((await lab.hamlet("reset", "--device", "kitchen", "--yes")).code, 0);
    await seen("attic", "kitchen", "left");
    await eventually(async () => assert.equal((await lab.statusOf("kitchen")).phase, "unprovisioned"), {
      within: 300_000,
      every: 1_000,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
