// What a voter has promised comes back as it was, also from the release before this one and from a later one.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Kept } from "../../../../agent/cluster/leases/state.ts";
import { LeaseStore } from "../../../../agent/cluster/leases/store.ts";
import { agentFilesIn } from "../../../../provisioning/handover/agent-files.ts";
import { sealed } from "../../../../system/kept.ts";
import { idOf } from "../../../sim/ink.ts";

const [attic, cellar] = [0, 1].map(idOf) as [string, string];
const before: Kept = {
  list: { founder: attic, number: 2, voters: [attic, cellar] },
  promised: [3, cellar],
  accepted: { ballot: [3, cellar], change: { op: "remove", id: attic } },
  grants: [{ slot: 1, holder: attic, claim: "00000000001" }],
};
const now: Kept = { ...before, held: { slot: 1, claim: "00000000001" }, silentHours: { [cellar]: 23 } };

test.each([
  ["by this release", now],
  ["by the one before", before],
])("promises written %s come back as they were", async (_, kept) => {
  const folder = await mkdtemp(join(tmpdir(), "hamlet-leases-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const store = new LeaseStore(folder, attic);
  await store.save(kept);
  expect(await store.load()).toEqual({ kept });
  expect(await new LeaseStore(folder, cellar).load()).toEqual({});
  // A later release may add to it.
  await writeFile(agentFilesIn(folder).leases, sealed({ v: 1, device: attic, ...kept, later: 1 }));
  expect(await store.load()).toEqual({ kept });
});
