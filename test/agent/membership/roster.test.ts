import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Warnings } from "../../../agent/health/warnings.ts";
import { type Identity, loadIdentity } from "../../../agent/identity.ts";
import { Roster } from "../../../agent/membership/roster.ts";
import { signRevocation } from "../../../provisioning/trust/revocation.ts";
import { silentLog } from "../../../system/log.ts";
import { bootDevice, makeNeighborhood, type TestNeighborhood } from "../../neighborhood.ts";

let folder: string;
let hood: TestNeighborhood;
let now: number;
const clock = { now: () => now, monotonic: () => now };

beforeAll(async () => {
  hood = await makeNeighborhood();
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-roster-"));
  now = Date.now();
});
afterEach(() => rm(folder, { recursive: true }));

const stateOf = (name: string) => join(folder, name, "state");
const device = (name: string, provision: Buffer = hood.provision({ name })) => bootDevice(stateOf(name), provision);
function rosterOf(identity: Identity, name: string) {
  const warnings = new Warnings(clock, silentLog);
  return { warnings, roster: new Roster({ identity, stateFolder: stateOf(name), clock, log: silentLog, warnings }) };
}

describe("hearing a record", () => {
  test("admits a device with a valid token, countersigns it, and knows it after a restart", async () => {
    const [attic, cellar] = [await device("attic"), await device("cellar")];
    const { roster } = rosterOf(attic, "attic");
    const heard = await roster.hear(cellar.jws);
    expect(heard).toMatchObject({ verdict: "member", news: true, admission: expect.any(String) });
    expect(await roster.hear(cellar.jws)).toMatchObject({ verdict: "member", news: false });
    const again = rosterOf(attic, "attic").roster;
    await again.load();
    expect([...again.members().keys()]).toEqual([cellar.id]);
  });

  test("a device with an expired token waits with its code, and is forgotten after ten minutes", async () => {
    const [attic, cellar] = [await device("attic"), await device("cellar")];
    const late = await hood.token({ notAfter: now + 1_000 });
    const porch = await device("porch", hood.provision({ ...late, name: "porch" }));
    const { roster } = rosterOf(attic, "attic");
    await roster.hear(cellar.jws);
    now += 2_000;
    expect(await roster.hear(porch.jws)).toEqual({ verdict: "pending", because: "tokenExpired" });
    expect(roster.pending()).toMatchObject([{ name: "porch", code: porch.id.slice(0, 12) }]);
    now += 10 * 60_000 + 1;
    expect(roster.pending()).toEqual([]);
  });

  test("one whom a known member let in is accepted at any date", async () => {
    const [attic, cellar] = [await device("attic"), await device("cellar")];
    const short = await hood.token({ notAfter: now + 1_000 });
    const porch = await device("porch", hood.provision({ ...short, name: "porch" }));
    const atCellar = rosterOf(cellar, "cellar").roster;
    const { admission } = (await atCellar.hear(porch.jws)) as { admission: string };
    await porch.addAdmission(admission);
    now += 86_400_000;
    const { roster } = rosterOf(attic, "attic");
    await roster.hear(cellar.jws);
    expect(await roster.hear(porch.jws)).toMatchObject({ verdict: "member" });
  });

  test("more than the token's maximum wait", async () => {
    const [attic, cellar] = [await device("attic"), await device("cellar")];
    const two = await hood.token({ maxDevices: 1 });
    const [porch, shed] = [
      await device("porch", hood.provision({ ...two, name: "porch" })),
      await device("shed", hood.provision({ ...two, name: "shed" })),
    ];
    const { roster } = rosterOf(attic, "attic");
    await roster.hear(cellar.jws);
    expect(await roster.hear(porch.jws)).toMatchObject({ verdict: "member" });
    expect(await roster.hear(shed.jws)).toEqual({ verdict: "pending", because: "overMaximum" });
  });

  test("of two who wait under one name only the first waits", async () => {
    const [attic, cellar] = [await device("attic"), await device("cellar")];
    const confirm = await hood.token({ adopt: "confirm" });
    const [porch, twin] = [
      await device("porch", hood.provision({ ...confirm, name: "porch" })),
      await device("twin", hood.provision({ ...confirm, name: "porch" })),
    ];
    const { roster } = rosterOf(attic, "attic");
    await roster.hear(cellar.jws);
    expect(await roster.hear(porch.jws)).toMatchObject({ verdict: "pending" });
    expect(await roster.hear(twin.jws)).toEqual({ verdict: "refused", because: "pendingTwin" });
    expect(roster.pending()).toHaveLength(1);
  });

  test("a clock behind what the root has signed puts our word under nobody, and is told", async () => {
    const [attic, cellar] = [await device("attic"), await device("cellar")];
    const { roster, warnings } = rosterOf(attic, "attic");
    now = 0;
    const heard = await roster.hear(cellar.jws);
    expect(heard).toMatchObject({ verdict: "member" });
    expect(heard).not.toHaveProperty("admission");
    expect(warnings.list().map(({ code }) => code)).toContain("clock.behind");
  });

  test("a clock at 1970 lets nobody in by a token that had ended before the newest one was made", async () => {
    const ended = await hood.token({ issuedAt: now - 10_000_000, notAfter: now - 9_999_000 });
    const [attic, cellar] = [await device("attic"), await device("cellar")];
    const porch = await device("porch", hood.provision({ ...ended, name: "porch" }));
    const { roster } = rosterOf(attic, "attic");
    await roster.hear(cellar.jws);
    now = 0;
    expect(await roster.hear(porch.jws)).toEqual({ verdict: "pending", because: "tokenExpired" });
  });

  test("more than the token's maximum, let in by two sides, all stay and a warning names them", async () => {
    const two = await hood.token({ maxDevices: 1 });
    const names = ["attic", "cellar", "porch"];
    const made = await Promise.all(names.map((name) => device(name, hood.provision({ ...two, name }))));
    const [attic, cellar, porch] = made as [Identity, Identity, Identity];
    const { roster: elsewhere } = rosterOf(cellar, "cellar");
    const { admission } = (await elsewhere.hear(porch.jws)) as { admission: string };
    await porch.addAdmission(admission);
    const { roster, warnings } = rosterOf(attic, "attic");
    await roster.hear(cellar.jws);
    expect(await roster.hear(porch.jws)).toMatchObject({ verdict: "member" });
    expect(warnings.list().map(({ code }) => code)).toContain("token.surplus");
  });

  test("a stranger's record is refused and a warning tells why", async () => {
    const attic = await device("attic");
    const elsewhere = await makeNeighborhood();
    const stranger = await device("stranger", elsewhere.provision({ name: "stranger" }));
    const { roster, warnings } = rosterOf(attic, "attic");
    expect(await roster.hear(stranger.jws)).toMatchObject({ verdict: "refused", because: "wrongNeighborhood" });
    expect(await roster.hear("not.a.jws")).toMatchObject({ verdict: "refused" });
    expect(warnings.list().map(({ code }) => code)).toContain("record.refused");
    expect(roster.members().size).toBe(0);
  });

  test("the second device of a name is known as attic-2", async () => {
    const [attic, cellar, twin] = [
      await device("attic"),
      await device("cellar"),
      await device("twin", hood.provision({ name: "cellar" })),
    ];
    const { roster } = rosterOf(attic, "attic");
    await roster.hear(cellar.jws);
    await roster.hear(twin.jws);
    expect([...roster.members().values()].map(({ name }) => name)).toEqual(["cellar", "cellar-2"]);
  });

  test("our own record with a higher number makes us go above it", async () => {
    const attic = await device("attic");
    const { roster } = rosterOf(attic, "attic");
    const later = (await (async () => {
      const number = attic.number;
      await attic.goAbove(number + 10);
      return { jws: attic.jws, number: attic.number };
    })())!;
    await rm(join(stateOf("attic"), "standing.json"));
    const restored = await loadIdentity(
      { board: "nuc", release: "1.0.0", bootId: "b", stateFolder: stateOf("attic") },
      "/nonexistent",
    );
    expect(restored!.number).toBeLessThan(later.number);
    const after = rosterOf(restored!, "attic").roster;
    expect(await after.hear(later.jws)).toEqual({ verdict: "self" });
    expect(restored!.number).toBeGreaterThan(later.number);
    expect(roster.members().size).toBe(0);
  });
});

test("a revoked member is dropped at once, and never taken back", async () => {
  const [attic, cellar] = [await device("attic"), await device("cellar")];
  const { roster } = rosterOf(attic, "attic");
  await roster.hear(cellar.jws);
  const revocation = await signRevocation(
    {
      v: 1,
      neighborhood: attic.neighborhood.id,
      number: 1,
      issuedAt: now,
      revoke: { kind: "device", device: cellar.id, token: cellar.token.id, stays: [] },
    },
    hood.root,
  );
  let changes = 0;
  roster.onChange = () => changes++;
  await roster.hearRevocations([revocation, "for.g.ed"]);
  expect([roster.members().size, changes]).toEqual([0, 1]);
  expect(await roster.hear(cellar.jws)).toMatchObject({ verdict: "refused", because: "deviceRevoked" });
  const again = rosterOf(attic, "attic").roster;
  await again.load();
  expect(await again.hear(cellar.jws)).toMatchObject({ verdict: "refused" });
  expect(again.revocationsAfter(0)).toEqual([revocation]);
});
