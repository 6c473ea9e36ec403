import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeLabTokens } from "../../../../image/lab/supervisor/neighborhood.ts";
import { initNeighborhood, openNeighborhood } from "../../../../provisioning/neighborhood/neighborhood.ts";
import { revoke } from "../../../../provisioning/neighborhood/orders.ts";

test("devices that are added after a revocation get a token that it has not closed, and that carries it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-lab-tokens-"));
  const [home, passphrase, now] = [join(folder, "elm"), "correct horse battery", Date.now()];
  try {
    await initNeighborhood(home, { name: "Lab Street", passphrase, now });
    const opened = await openNeighborhood(home, passphrase);
    const tokenOf = makeLabTokens(opened, now);
    const [first, again] = await Promise.all([tokenOf("auto"), tokenOf("auto")]);
    expect(again).toEqual(first);
    expect(await tokenOf("confirm")).not.toEqual(first);
    await revoke(opened, { kind: "token", token: "a".repeat(16), stays: [] }, now);
    const later = await tokenOf("auto");
    expect(later.token).not.toBe(first.token);
    expect([first.revocations, later.revocations?.length]).toEqual([undefined, 1]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
