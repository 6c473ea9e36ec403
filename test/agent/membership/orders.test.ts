// The owner's orders: what the root has signed counts at once, whoever brings it, and nothing else does.
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Warnings } from "../../../agent/health/warnings.ts";
import type { Identity } from "../../../agent/identity.ts";
import { Membership } from "../../../agent/membership/membership.ts";
import { makeOrders } from "../../../agent/membership/orders.ts";
import { adoptionKind, rejectionKind, revocationKind } from "../../../agent/membership/root-orders.ts";
import { signAdoption } from "../../../provisioning/trust/adoption.ts";
import { generateSigningKey, type SigningKey } from "../../../provisioning/trust/keys.ts";
import { readRecord } from "../../../provisioning/trust/record.ts";
import { signRejection } from "../../../provisioning/trust/rejection.ts";
import { signRevocation } from "../../../provisioning/trust/revocation.ts";
import { silentLog } from "../../../system/log.ts";
import { bootDevice, makeNeighborhood, type TestNeighborhood } from "../../neighborhood.ts";

let folder: string;
let hood: TestNeighborhood;
let now: number;
let attic: Identity;
let cellar: Identity;
let porch: Identity;
const clock = { now: () => now, monotonic: () => now };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-orders-"));
  now = Date.now();
  hood = await makeNeighborhood();
  const confirm = await hood.token({ adopt: "confirm" });
  attic = await boot("attic");
  cellar = await boot("cellar");
  porch = await boot("porch", hood.provision({ ...confirm, name: "porch" }));
});
afterEach(() => rm(folder, { recursive: true }));

const stateOf = (name: string) => join(folder, name, "state");
const boot = (name: string, provision = hood.provision({ name })) => bootDevice(stateOf(name), provision);

/** A device with what it was told to do; it knows cellar, unless it is cellar. */
async function open(identity: Identity) {
  const warnings = new Warnings(clock, silentLog);
  const stateFolder = stateOf(identity.name);
  const membership = await Membership.open({ identity, stateFolder, clock, log: silentLog, warnings });
  const published: string[] = [];
  const kinds = [revocationKind(membership), rejectionKind(membership), adoptionKind(membership)];
  const order = makeOrders(kinds, (kind) => void published.push(kind));
  const tasks = async () => {
    await membership.stop();
    const done: string[] = [];
    for await (const task of membership.tasks)
      done.push("id" in task && task.id ? `${task.kind} ${task.id}` : task.kind);
    return done;
  };
  return { membership, order, published, tasks, warnings };
}
const knowingCellar = async (identity: Identity) => {
  const opened = await open(identity);
  await opened.membership.receive({ record: cellar.jws });
  return opened;
};
const adoptionOf = (
  { deviceKey }: Pick<Identity, "deviceKey">,
  { by = hood.root, issuedAt = now, revocation = 0 } = {},
) => signAdoption({ v: 1, neighborhood: attic.neighborhood.id, deviceKey, issuedAt, revocation }, by);
const revocationOf = (device: Identity, number = 1, by: SigningKey = hood.root) =>
  signRevocation(
    {
      ...{ v: 1, neighborhood: attic.neighborhood.id, number, issuedAt: now },
      revoke: { kind: "device", device: device.id, token: device.token.id, stays: [] },
    },
    by,
  );

test("a device that waits is a member as soon as its adoption comes, is greeted at once, and stays one after a restart", async () => {
  const { membership, order, published, tasks } = await knowingCellar(attic);
  expect(await membership.receive({ record: porch.jws })).toEqual({ kind: "pending", because: "needsConfirmation" });
  expect(membership.pending()).toMatchObject([{ name: "porch", deviceKey: porch.deviceKey }]);
  expect(await order([await adoptionOf(porch)])).toEqual([{ kind: "adoption", outcome: "new", counts: true }]);
  expect(published).toEqual(["adoption"]);
  expect(await membership.receive({ record: porch.jws })).toMatchObject({
    kind: "member",
    admission: expect.any(String),
  });
  expect(membership.pending()).toEqual([]);
  expect(await tasks()).toContain(`welcome ${porch.id}`);

  const { membership: again } = await open(attic);
  expect([...again.members().keys()].sort()).toEqual([cellar.id, porch.id].sort());
  expect(again.adoptions().get(porch.id)?.adoption.deviceKey).toBe(porch.deviceKey);
});

test("a device takes its own adoption, carries it in its record, and is a member to one that never heard of it", async () => {
  const { order, tasks } = await open(porch);
  const adoption = await adoptionOf(porch);
  expect(await order([adoption])).toEqual([{ kind: "adoption", outcome: "new", counts: true }]);
  expect((await readRecord(porch.jws)).adoption).toBe(adoption);
  expect(await tasks()).toEqual(["members", "publish", "welcome"]);
  const { membership } = await knowingCellar(attic);
  expect(await membership.receive({ record: porch.jws })).toMatchObject({ kind: "member" });

  await boot("porch"); // it has an identity already, and keeps it
  const { membership: restarted } = await open(porch);
  expect(restarted.adoptions().get(porch.id)?.jws).toBe(adoption);
});

test("an adoption beats an expired token, a full one and one that is closed, but never the revocation of the device", async () => {
  const late = await hood.token({ notAfter: now + 1_000 });
  const shed = await boot("shed", hood.provision({ ...late, name: "shed" }));
  const { membership, order } = await knowingCellar(attic);
  now += 2_000;
  expect(await membership.receive({ record: shed.jws })).toMatchObject({ kind: "pending", because: "tokenExpired" });
  await order([await adoptionOf(shed)]);
  expect(await membership.receive({ record: shed.jws })).toMatchObject({ kind: "member" });
  await order([await revocationOf(shed)]);
  expect(membership.members().has(shed.id)).toBe(false);
  await order([await adoptionOf(shed, { issuedAt: now + 1, revocation: 1 })]);
  expect(await membership.receive({ record: shed.jws })).toEqual({ kind: "refused", because: "deviceRevoked" });
});

test("who brings an order, how often and in which order makes no difference", async () => {
  const { membership, order, published } = await knowingCellar(attic);
  const [older, newer] = [await adoptionOf(porch), await adoptionOf(porch, { issuedAt: now + 5 })];
  expect(await order([newer, older])).toEqual([
    { kind: "adoption", outcome: "new", counts: true },
    { kind: "adoption", outcome: "known", counts: false },
  ]);
  expect(await order([older, newer])).toMatchObject([
    { outcome: "known", counts: false },
    { outcome: "known", counts: true },
  ]);
  expect(membership.adoptions().get(porch.id)?.jws).toBe(newer);
  expect(published).toEqual(["adoption"]);
});

test("who is out goes before who is in, whatever their order", async () => {
  const { order } = await knowingCellar(attic);
  expect(await order([await adoptionOf(porch), await revocationOf(cellar)])).toEqual([
    { kind: "revocation", outcome: "new", counts: true },
    { kind: "adoption", outcome: "new", counts: true },
  ]);
});

test("a forged document, one by a member or of another neighborhood: all of the order is refused, nothing of it counts", async () => {
  const { membership, order, published } = await knowingCellar(attic);
  const elsewhere = await makeNeighborhood();
  const bad = [
    await adoptionOf(porch, { by: generateSigningKey() }),
    await adoptionOf(porch, { by: cellar.key }),
    await adoptionOf(porch, { by: elsewhere.root }),
    await revocationOf(cellar, 1, attic.key),
    attic.jws,
    "aa.bb.cc",
  ];
  for (const jws of bad) {
    await expect(order([await revocationOf(cellar), jws])).rejects.toMatchObject({ code: "document.refused" });
  }
  expect(membership.members().has(cellar.id)).toBe(true);
  expect(membership.adoptions().size).toBe(0);
  expect(published).toEqual([]);
});

test("what the root says counts at once, but is acknowledged only once it is on disk, and written as soon as it may", async () => {
  const { membership, order, published, warnings } = await knowingCellar(attic);
  const shed = await boot("shed");
  await membership.receive({ record: porch.jws });
  const documents = [await revocationOf(cellar), await rejectionOf(shed), await adoptionOf(porch)];
  const codes = () => warnings.list().map(({ code }) => code);
  await rename(stateOf("attic"), `${stateOf("attic")}.away`);
  await writeFile(stateOf("attic"), "no folder");
  for (const jws of documents) await expect(order([jws])).rejects.toThrow();
  await expect(order(documents)).rejects.toThrow();
  expect(published).toEqual(["revocation", "rejection", "adoption"]);
  expect([...membership.members().keys()]).toEqual([]);
  expect(await membership.receive({ record: porch.jws })).toMatchObject({ kind: "member" });
  expect(codes()).toEqual(["state.full"]);
  // By gossip too: whoever hears of it from us must not wait.
  const next = await revocationOf(shed, 2);
  expect(await revocationKind(membership).offer(next)).toBe("new");

  await rm(stateOf("attic"));
  await rename(`${stateOf("attic")}.away`, stateOf("attic"));
  await membership.happen({ kind: "letIn" });
  expect(codes()).toEqual(["state.full"]);
  now += 60_000;
  await membership.happen({ kind: "letIn" });
  expect(codes()).toEqual([]);
  expect(await order(documents)).toMatchObject(documents.map(() => ({ outcome: "known", counts: true })));
  const { membership: again } = await open(attic);
  expect(
    again
      .revocations()
      .documents.map(({ jws }) => jws)
      .sort(),
  ).toEqual([documents[0], next].sort());
  expect([...again.members().keys()]).toEqual([porch.id]);
  expect([...again.rejections().keys()]).toEqual([shed.id]);
});

const rejectionOf = ({ deviceKey }: Pick<Identity, "deviceKey">, issuedAt = now, by = hood.root) =>
  signRejection({ v: 1, neighborhood: attic.neighborhood.id, deviceKey, issuedAt }, by);

test("a device that the root turns away neither waits nor comes in for a day, by its token or by a member's word", async () => {
  const { membership, order, published, warnings } = await knowingCellar(attic);
  const shed = await boot("shed");
  await membership.receive({ record: porch.jws });
  expect(await order([await rejectionOf(porch), await rejectionOf(shed)])).toMatchObject([
    { kind: "rejection", outcome: "new" },
    { kind: "rejection", outcome: "new" },
  ]);
  expect(published).toEqual(["rejection", "rejection"]);
  expect(membership.pending()).toEqual([]);
  const refused = { kind: "refused", because: "deviceRejected" };
  expect(await membership.receive({ record: porch.jws })).toEqual(refused);
  expect(await membership.receive({ record: shed.jws })).toEqual(refused);
  // The owner wanted that: no warning.
  expect(warnings.list()).toEqual([]);
  const { membership: again } = await knowingCellar(attic);
  expect(await again.receive({ record: shed.jws })).toEqual(refused);
  now += 86_400_000;
  expect(await membership.receive({ record: shed.jws })).toMatchObject({ kind: "member" });
  expect(await membership.receive({ record: porch.jws })).toMatchObject({ kind: "pending" });
});

test("a rejection puts no member out, and a later adoption lets the device in", async () => {
  const { membership, order } = await knowingCellar(attic);
  expect(await order([await rejectionOf(cellar), await rejectionOf(porch)])).toMatchObject([
    { outcome: "new", counts: false },
    { outcome: "new", counts: true },
  ]);
  expect(await membership.receive({ record: cellar.jws })).toMatchObject({ kind: "member" });
  expect(await order([await adoptionOf(porch)])).toMatchObject([{ outcome: "new", counts: false }]);
  expect(await membership.receive({ record: porch.jws })).toEqual({ kind: "refused", because: "deviceRejected" });
  expect(await order([await adoptionOf(porch, { issuedAt: now + 1 })])).toMatchObject([{ counts: true }]);
  expect(await membership.receive({ record: porch.jws })).toMatchObject({ kind: "member" });
});

test("rejections spread by gossip, forged ones are refused, old and surplus ones are not kept", async () => {
  const { membership } = await knowingCellar(attic);
  const kind = rejectionKind(membership);
  expect(await kind.offer(await rejectionOf(porch, now, cellar.key))).toBe("refused");
  const elsewhere = await signRejection(
    { v: 1, neighborhood: cellar.id, deviceKey: porch.deviceKey, issuedAt: now },
    hood.root,
  );
  expect(await kind.offer(elsewhere)).toBe("refused");
  expect(await kind.offer(await rejectionOf(porch, now - 86_400_000))).toBe("known");
  const rejection = await rejectionOf(porch);
  expect([await kind.offer(rejection), await kind.offer(rejection)]).toEqual(["new", "known"]);
  expect(kind.summaries()).toMatchObject([{ id: porch.id, number: now }]);
  expect(kind.get(porch.id)).toBe(rejection);
  for (let at = 1; at <= 70; at++) {
    await kind.offer(await rejectionOf({ deviceKey: generateSigningKey().publicKey }, now + at));
  }
  expect(kind.summaries()).toHaveLength(64);
  expect(kind.get(porch.id)).toBeUndefined();
  // Else whoever kept it could make this device write as often as it likes.
  expect(await kind.offer(rejection)).toBe("known");
});

test("a rejection is told of and handed on until its day is over, and no longer, whatever the device's clock says then", async () => {
  const { membership, order } = await knowingCellar(attic);
  const kind = rejectionKind(membership);
  const rejection = await rejectionOf(porch);
  await order([rejection]);
  now += 86_399_999;
  expect(kind.summaries()).toHaveLength(1);
  now += 1;
  expect(kind.summaries()).toEqual([]);
  expect(kind.get(porch.id)).toBeUndefined();
  expect(await order([rejection])).toMatchObject([{ outcome: "known", counts: false }]);
  // The root has signed a later date: a clock that falls behind it brings no rejection back.
  await order([await adoptionOf(porch)]);
  now -= 3_600_000;
  expect(kind.summaries()).toEqual([]);
});

test("gossip brings adoptions too; a forged one is refused, and asked for no more", async () => {
  const { membership } = await knowingCellar(attic);
  const kind = adoptionKind(membership);
  expect(await kind.offer(await adoptionOf(porch, { by: cellar.key }))).toBe("refused");
  const adoption = await adoptionOf(porch);
  expect([await kind.offer(adoption), await kind.offer(adoption)]).toEqual(["new", "known"]);
  expect(kind.summaries()).toMatchObject([{ id: porch.id, number: now }]);
  expect(kind.get(porch.id)).toBe(adoption);
});

test("a revocation is kept beside others in the file that no longer count", async () => {
  const { order } = await knowingCellar(attic);
  await order([await revocationOf(cellar)]);
  const path = join(stateOf("attic"), "revocations.json");
  const { documents } = JSON.parse(await readFile(path, "utf8")) as { documents: string[] };
  const byThief = await revocationOf(porch, 2, generateSigningKey());
  for (const file of [path, `${path}.copy`]) {
    await writeFile(file, JSON.stringify({ v: 1, documents: [...documents, byThief] }));
  }
  const { order: later } = await open(attic);
  const shed = await boot("shed");
  await later([await revocationOf(shed, 3)]);
  // It has them too, but perhaps those of yesterday.
  for (const file of ["roster.json", "roster.json.copy"]) await rm(join(stateOf("attic"), file));
  const { membership } = await open(attic);
  expect([...membership.revocations().devices].sort()).toEqual([cellar.id, shed.id].sort());
});

test("damage to the file of adoptions costs none that its copy or its text still holds", async () => {
  const { order } = await knowingCellar(attic);
  await order([await adoptionOf(porch)]);
  const path = join(stateOf("attic"), "adoptions.json");
  const text = await readFile(path, "utf8");
  for (const file of [path, `${path}.copy`]) await writeFile(file, text.replace('"v": 1', '"v": 9'));
  for (let start = 0; start < 2; start++) {
    const { membership, warnings } = await open(attic);
    expect([...membership.adoptions().keys()]).toEqual([porch.id]);
    expect(warnings.list().map(({ code }) => code)).toContain("state.damaged");
  }
});
