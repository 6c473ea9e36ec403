import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Warnings } from "../../../agent/health/warnings.ts";
import { type Identity, loadIdentity } from "../../../agent/identity.ts";
import { Membership } from "../../../agent/membership/membership.ts";
import { adoptionCodeOf } from "../../../provisioning/trust/adoption-code.ts";
import { readRecord } from "../../../provisioning/trust/record.ts";
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
  folder = await mkdtemp(join(tmpdir(), "hamlet-membership-"));
  now = Date.now();
});
afterEach(() => rm(folder, { recursive: true }));

const stateOf = (name: string) => join(folder, name, "state");
const device = (name: string, provision: Buffer = hood.provision({ name })) => bootDevice(stateOf(name), provision);
async function membershipOf(identity: Identity, name: string) {
  const warnings = new Warnings(clock, silentLog);
  const options = { identity, stateFolder: stateOf(name), clock, log: silentLog, warnings };
  return { warnings, membership: await Membership.open(options) };
}
/** What the other parts were told to do; ends the membership. */
async function tasksOf(membership: Membership): Promise<string[]> {
  await membership.stop();
  const tasks: string[] = [];
  for await (const { kind } of membership.tasks) tasks.push(kind);
  return tasks;
}

/** `device` meets `by`, who hands it this admission. */
async function carry(device: Identity, by: Identity, admission: string): Promise<void> {
  const { membership } = await membershipOf(device, device.name);
  await membership.receive({ record: by.jws, admissions: [admission] });
}

describe("a record", () => {
  test("of a device with a valid token: it is a member, admitted by us, and we know it after a restart", async () => {
    const [attic, cellar] = [await device("attic"), await device("cellar")];
    const { membership } = await membershipOf(attic, "attic");
    const heard = await membership.receive({ record: cellar.jws });
    expect(heard).toMatchObject({ kind: "member", isNews: true, admission: expect.any(String) });
    expect(await membership.receive({ record: cellar.jws })).toMatchObject({ kind: "member", isNews: false });
    const { membership: again } = await membershipOf(attic, "attic");
    expect([...again.members().keys()]).toEqual([cellar.id]);
  });

  test("of a device with an expired token: it waits with its code for ten minutes", async () => {
    const [attic, cellar] = [await device("attic"), await device("cellar")];
    const late = await hood.token({ notAfter: now + 1_000 });
    const porch = await device("porch", hood.provision({ ...late, name: "porch" }));
    const { membership } = await membershipOf(attic, "attic");
    await membership.receive({ record: cellar.jws });
    now += 2_000;
    expect(await membership.receive({ record: porch.jws })).toEqual({ kind: "pending", because: "tokenExpired" });
    expect(membership.pending()).toMatchObject([{ name: "porch", code: adoptionCodeOf(porch.deviceKey) }]);
    now += 10 * 60_000 + 1;
    expect(membership.pending()).toEqual([]);
  });

  test("of a device that a known member has admitted: it is a member at any date", async () => {
    const [attic, cellar] = [await device("attic"), await device("cellar")];
    const short = await hood.token({ notAfter: now + 1_000 });
    const porch = await device("porch", hood.provision({ ...short, name: "porch" }));
    const { membership: atCellar } = await membershipOf(cellar, "cellar");
    const { admission } = (await atCellar.receive({ record: porch.jws })) as { admission: string };
    await carry(porch, cellar, admission);
    now += 86_400_000;
    const { membership } = await membershipOf(attic, "attic");
    await membership.receive({ record: cellar.jws });
    expect(await membership.receive({ record: porch.jws })).toMatchObject({ kind: "member" });
  });

  test("of a device beyond the token's maximum: it waits", async () => {
    const [attic, cellar] = [await device("attic"), await device("cellar")];
    const two = await hood.token({ maxDevices: 1 });
    const [porch, shed] = [
      await device("porch", hood.provision({ ...two, name: "porch" })),
      await device("shed", hood.provision({ ...two, name: "shed" })),
    ];
    const { membership } = await membershipOf(attic, "attic");
    await membership.receive({ record: cellar.jws });
    expect(await membership.receive({ record: porch.jws })).toMatchObject({ kind: "member" });
    expect(await membership.receive({ record: shed.jws })).toEqual({ kind: "pending", because: "overMaximum" });
  });

  test("of two devices that would wait under one name: only the first waits", async () => {
    const [attic, cellar] = [await device("attic"), await device("cellar")];
    const confirm = await hood.token({ adopt: "confirm" });
    const [porch, twin] = [
      await device("porch", hood.provision({ ...confirm, name: "porch" })),
      await device("twin", hood.provision({ ...confirm, name: "porch" })),
    ];
    const { membership } = await membershipOf(attic, "attic");
    await membership.receive({ record: cellar.jws });
    expect(await membership.receive({ record: porch.jws })).toMatchObject({ kind: "pending" });
    expect(await membership.receive({ record: twin.jws })).toEqual({ kind: "pending", because: "pendingTwin" });
    expect(membership.pending()).toHaveLength(1);
  });

  test("heard while our clock is behind a date that the root has signed: we admit nobody and warn of the clock", async () => {
    const [attic, cellar] = [await device("attic"), await device("cellar")];
    const { membership, warnings } = await membershipOf(attic, "attic");
    now = 0;
    const heard = await membership.receive({ record: cellar.jws });
    expect(heard).toMatchObject({ kind: "member" });
    expect(heard).not.toHaveProperty("admission");
    expect(warnings.list().map(({ code }) => code)).toContain("clock.behind");
  });

  test("with a token that expired before the newest was made: not even a clock at 1970 admits it", async () => {
    const ended = await hood.token({ issuedAt: now - 10_000_000, notAfter: now - 9_999_000 });
    const [attic, cellar] = [await device("attic"), await device("cellar")];
    const porch = await device("porch", hood.provision({ ...ended, name: "porch" }));
    const { membership } = await membershipOf(attic, "attic");
    await membership.receive({ record: cellar.jws });
    now = 0;
    expect(await membership.receive({ record: porch.jws })).toEqual({ kind: "pending", because: "tokenExpired" });
  });

  test("of devices that two sides admitted beyond the token's maximum: all stay, and a warning says so", async () => {
    const two = await hood.token({ maxDevices: 2 });
    const names = ["attic", "cellar", "porch"];
    const made = await Promise.all(names.map((name) => device(name, hood.provision({ ...two, name }))));
    const [attic, cellar, porch] = made as [Identity, Identity, Identity];
    const { membership: elsewhere } = await membershipOf(cellar, "cellar");
    const { admission } = (await elsewhere.receive({ record: porch.jws })) as { admission: string };
    await carry(porch, cellar, admission);
    const { membership, warnings } = await membershipOf(attic, "attic");
    await membership.receive({ record: cellar.jws });
    expect(await membership.receive({ record: porch.jws })).toMatchObject({ kind: "member" });
    expect(warnings.list().map(({ code }) => code)).toContain("token.surplus");
  });

  test("of a stranger: it is refused, and a warning says why", async () => {
    const attic = await device("attic");
    const elsewhere = await makeNeighborhood();
    const stranger = await device("stranger", elsewhere.provision({ name: "stranger" }));
    const { membership, warnings } = await membershipOf(attic, "attic");
    expect(await membership.receive({ record: stranger.jws })).toMatchObject({
      kind: "refused",
      because: "wrongNeighborhood",
    });
    expect(await membership.receive({ record: "not.a.jws" })).toMatchObject({ kind: "refused" });
    expect(warnings.list().map(({ code }) => code)).toContain("record.refused");
    expect(membership.members().size).toBe(0);
  });

  test("of a second device of one name: we call it cellar-2", async () => {
    const [attic, cellar, twin] = [
      await device("attic"),
      await device("cellar"),
      await device("twin", hood.provision({ name: "cellar" })),
    ];
    const { membership } = await membershipOf(attic, "attic");
    await membership.receive({ record: cellar.jws });
    await membership.receive({ record: twin.jws });
    expect([...membership.members().values()].map(({ name }) => name)).toEqual(["cellar", "cellar-2"]);
  });
});

describe("this device's own record", () => {
  test("has a higher number than any of its own that others hold, after its state was lost", async () => {
    const attic = await device("attic");
    await attic.sign({ ...attic.own, number: attic.number + 10 });
    const later = { record: attic.jws, number: attic.number };
    await rm(join(stateOf("attic"), "standing.json"));
    const self = { board: "nuc", release: "1.0.0", bootId: "b", stateFolder: stateOf("attic") };
    const restored = (await loadIdentity(self, "/nonexistent"))!;
    expect(restored.number).toBeLessThan(later.number);
    const { membership } = await membershipOf(restored, "attic");
    expect(await membership.receive(later)).toEqual({ kind: "self" });
    expect((await readRecord(restored.jws)).number).toBe(later.number + 1);
    const { number } = restored;
    expect(await membership.receive({ record: restored.jws })).toEqual({ kind: "self" });
    expect(restored.number).toBe(number);
    expect(membership.members().size).toBe(0);
  });

  test("carries an admission of each member, once, and still does after a restart", async () => {
    const [attic, cellar] = [await device("attic"), await device("cellar")];
    const { membership } = await membershipOf(attic, "attic");
    const admission = await cellar.admit(attic, attic.token);
    const hello = { record: cellar.jws, admissions: [admission, await cellar.admit(attic, attic.token)] };
    await membership.receive(hello);
    const { number } = attic;
    await membership.receive(hello);
    expect([attic.admissions, attic.number]).toEqual([[admission], number]);
    const self = { board: "nuc", release: "1.0.0", bootId: "b", stateFolder: stateOf("attic") };
    expect((await loadIdentity(self, "/nonexistent"))!.admissions).toEqual([admission]);
    expect(await tasksOf(membership)).toEqual(["members", "members", "publish"]);
  });

  test("holds a new name and an admission that come in the same moment", async () => {
    const [attic, cellar] = [await device("attic"), await device("cellar")];
    const { membership } = await membershipOf(attic, "attic");
    const admission = await cellar.admit(attic, attic.token);
    await Promise.all([
      membership.rename("pantry"),
      membership.receive({ record: cellar.jws, admissions: [admission] }),
      membership.setEndpoints(["192.168.1.7:51820"]),
    ]);
    const endpoints = ["192.168.1.7:51820"];
    expect(await readRecord(attic.jws)).toMatchObject({ name: "pantry", admissions: [admission], endpoints });
  });

  test("is told to all when its endpoints change, and only then", async () => {
    const { membership } = await membershipOf(await device("attic"), "attic");
    for (let round = 0; round < 2; round++) await membership.setEndpoints(["192.168.1.7:51820"]);
    expect(await tasksOf(membership)).toEqual(["members", "publish", "greetAll"]);
  });

  test("keeps its name if the disk can not keep the new one", async () => {
    const attic = await device("attic");
    const { membership } = await membershipOf(attic, "attic");
    await rm(join(stateOf("attic"), "standing.json"));
    await mkdir(join(stateOf("attic"), "standing.json/in-the-way"), { recursive: true });
    await expect(membership.rename("pantry")).rejects.toThrow();
    expect([attic.name, (await readRecord(attic.jws)).name]).toEqual(["attic", "attic"]);
    expect(await tasksOf(membership)).toEqual(["members"]);
  });

  test("changes without a disk where it must", async () => {
    const [attic, twin] = [await device("attic"), await device("twin", hood.provision({ name: "attic" }))];
    const [low, high] = attic.id < twin.id ? [attic, twin] : [twin, attic];
    const folderOf = high === attic ? "attic" : "twin";
    const { membership } = await membershipOf(high, folderOf);
    await rm(join(stateOf(folderOf), "standing.json"));
    await mkdir(join(stateOf(folderOf), "standing.json/in-the-way"), { recursive: true });
    await membership.receive({ record: low.jws });
    expect(high.name).toBe("attic-2");
  });
});

test("a revoked member is dropped at once and never accepted again", async () => {
  const [attic, cellar] = [await device("attic"), await device("cellar")];
  const { membership } = await membershipOf(attic, "attic");
  await membership.receive({ record: cellar.jws });
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
  await membership.revoke([revocation, "for.g.ed"]);
  expect(membership.members().size).toBe(0);
  expect(await membership.receive({ record: cellar.jws })).toMatchObject({
    kind: "refused",
    because: "deviceRevoked",
  });
  const { membership: again } = await membershipOf(attic, "attic");
  expect(await again.receive({ record: cellar.jws })).toMatchObject({ kind: "refused" });
  expect(again.revocationsBeyond([])).toEqual([revocation]);
  expect(await tasksOf(membership)).toEqual(["members", "members", "members"]);
});
