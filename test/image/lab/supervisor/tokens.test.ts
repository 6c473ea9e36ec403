import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeLabTokens } from "../../../../image/lab/supervisor/neighborhood.ts";
import { verifyProvision } from "../../../../provisioning/file/provision.ts";
import { initNeighborhood, openNeighborhood } from "../../../../provisioning/neighborhood/neighborhood.ts";
import { revoke } from "../../../../provisioning/neighborhood/orders.ts";

test("each device gets a token of its own, which carries the revocations so far", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-lab-tokens-"));
  const [home, passphrase, now] = [join(folder, "elm"), "correct horse battery", Date.now()];
  try {
    await initNeighborhood(home, { name: "Lab Street", passphrase, now });
    const opened = await openNeighborhood(home, passphrase);
    const tokenOf = makeLabTokens(opened, now);
    const [attic, cellar] = await Promise.all([tokenOf("auto"), tokenOf("auto")]);
    expect(cellar.token).not.toBe(attic.token);
    expect((await verifyProvision({ ...attic, name: "attic" })).token).toMatchObject({ maxDevices: 1, adopt: "auto" });
    await revoke(opened, { kind: "token", token: "a".repeat(16), stays: [] }, now);
    const porch = await tokenOf("confirm");
    expect([attic.revocations, porch.revocations?.length]).toEqual([undefined, 1]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
