import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { makeMeeting } from "../../../agent/discovery/meeting.ts";
import { Warnings } from "../../../agent/health/warnings.ts";
import type { Identity } from "../../../agent/identity.ts";
import { Membership } from "../../../agent/membership/membership.ts";
import { isOwnPast } from "../../../agent/membership/replacements.ts";
import type { Task } from "../../../agent/membership/state.ts";
import { readRecord } from "../../../provisioning/trust/record.ts";
import { signRevocation } from "../../../provisioning/trust/revocation.ts";
import type { TokenCertificate } from "../../../provisioning/trust/token.ts";
import { silentLog } from "../../../system/log.ts";
import { bootDevice, makeNeighborhood, type TestNeighborhood } from "../../neighborhood.ts";

let folder: string;
let hood: TestNeighborhood;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-meeting-"));
  hood = await makeNeighborhood();
});
afterAll(() => rm(folder, { recursive: true }));

type Device = { identity: Identity; membership: Membership; warnings: Warnings } & ReturnType<typeof makeMeeting>;
async function device(name: string, token: Partial<TokenCertificate> = {}, serial?: string): Promise<Device> {
  const stateFolder = join(folder, `device-${count++}`);
  await mkdir(stateFolder, { recursive: true });
  if (serial) await writeFile(join(stateFolder, "board.json"), JSON.stringify({ serials: [serial], macs: [] }));
  const own = Object.keys(token).length > 0 ? await hood.token(token) : {};
  const identity = await bootDevice(stateFolder, hood.provision({ ...own, name }));
  const clock = { now: Date.now, monotonic: () => performance.now() };
  const warnings = new Warnings(clock, silentLog);
  const membership = await Membership.open({ identity, stateFolder, clock, log: silentLog, warnings });
  return { identity, membership, warnings, ...makeMeeting({ identity, membership }) };
}
/** What the other parts were told to do; ends the membership. */
async function tasksOf({ membership }: Device): Promise<Task[]> {
  await membership.stop();
  const tasks: Task[] = [];
  for await (const task of membership.tasks) tasks.push(task);
  return tasks;
}

let attic: Device;
let cellar: Device;
beforeEach(async () => {
  attic = await device("attic");
  cellar = await device("cellar");
});
const hello = ({ identity, membership }: Device, more: { revocations?: string[]; admission?: string } = {}) => ({
  record: identity.jws,
  known: membership.revocations().documents.map(({ digest }) => digest),
  revocations: [],
  ...more,
});

test("two devices that meet know each other, and each is admitted by the other", async () => {
  const answer = await attic.answer(hello(cellar), "192.168.1.2");
  await cellar.answer(answer, "192.168.1.1");
  const last = await attic.answer(hello(cellar, { admission: await attestation(cellar, attic) }), "192.168.1.2");
  expect((await readRecord(last.record)).id).toBe(attic.identity.id);
  expect([...attic.membership.members().keys()]).toEqual([cellar.identity.id]);
  expect([...cellar.membership.members().keys()]).toEqual([attic.identity.id]);
  expect([attic.identity.admissions.length, cellar.identity.admissions.length]).toEqual([1, 1]);
  expect(await tasksOf(attic)).toContainEqual({ kind: "met", id: cellar.identity.id, from: "192.168.1.2" });
});
async function attestation(by: Device, of: Device): Promise<string> {
  return by.identity.admit(of.identity, of.identity.token);
}

test("a stranger's documents replace no member's and cause no new record", async () => {
  await attic.answer(hello(cellar, { admission: await attestation(cellar, attic) }), "192.168.1.2");
  const [before, number] = [attic.identity.admissions, attic.identity.number];
  const garbage = `${cellar.identity.id}.${"a".repeat(86)}`;
  await expect(
    attic.answer({ ...hello(cellar), record: "no.record.atall", admission: garbage }, "192.168.1.66"),
  ).rejects.toMatchObject({
    code: "hello.refused",
  });
  await attic.answer(hello(cellar, { admission: garbage }), "192.168.1.2");
  // Nor does anybody's own word for himself.
  await attic.answer(hello(cellar, { admission: await attestation(attic, attic) }), "192.168.1.2");
  expect([attic.identity.admissions, attic.identity.number]).toEqual([before, number]);
});

test("a device gets exactly the revocations that it lacks", async () => {
  const revocation = await signRevocation(
    {
      v: 1,
      neighborhood: attic.identity.neighborhood.id,
      number: 1,
      issuedAt: Date.now(),
      revoke: { kind: "operator", key: attic.identity.deviceKey },
    },
    hood.root,
  );
  await attic.membership.revoke([revocation]);
  const answer = await attic.answer(hello(cellar), "192.168.1.2");
  expect(answer.revocations).toEqual([revocation]);
  await cellar.answer(answer, "192.168.1.1");
  expect((await attic.answer(hello(cellar), "192.168.1.2")).revocations).toEqual([]);
});

test("ignores revocations that a stranger sends", async () => {
  const revocations = Array.from({ length: 200 }, (_, index) => `r.${index}a.x`);
  await expect(attic.answer({ record: "no.record.atall", known: [], revocations }, "192.168.1.66")).rejects.toThrow();
  expect(attic.identity.number).toBe((await readRecord(attic.identity.jws)).number);
  expect(attic.membership.revocationsBeyond([])).toEqual([]);
});

test("a device whose token has expired says so, with the one command that helps", async () => {
  const late = await device("late", { issuedAt: 1, notAfter: Date.now() - 1_000 });
  const door = createServer(async (request, response) => {
    const answered = await attic.answer(JSON.parse(await text(request)), "192.168.1.9").catch((error) => error);
    const isRefused = answered instanceof Error;
    response.writeHead(isRefused ? 403 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(isRefused ? { code: "hello.pending", message: answered.message } : answered));
  });
  await new Promise<void>((resolve) => door.listen(0, "127.0.0.1", resolve));
  const { port } = door.address() as AddressInfo;
  try {
    // The attic knows somebody, so it judges dates.
    await attic.answer(hello(cellar), "192.168.1.2");
    await expect(late.greet("127.0.0.1", port)).rejects.toMatchObject({ code: "hello.pending" });
    expect(late.membership.isWaiting()).toBe(true);
    expect(late.warnings.list()).toMatchObject([
      { code: "token.expired", hint: expect.stringMatching(/hamlet provision <card> .*--name late$/) },
    ]);
  } finally {
    door.close();
  }
});

test("after two devices of one name have met, exactly one keeps it", async () => {
  const twin = await device("attic");
  const answer = await attic.answer(hello(twin), "192.168.1.2");
  await twin.answer(answer, "192.168.1.1");
  await attic.answer(hello(twin), "192.168.1.2");
  expect([attic.identity.name, twin.identity.name].sort()).toEqual(["attic", "attic-2"]);
  const renamed = attic.identity.name === "attic-2" ? attic : twin;
  expect(renamed.warnings.list().map(({ code }) => code)).toContain("member.nameTaken");
  expect((await tasksOf(renamed)).map(({ kind }) => kind)).toContain("publish");
});

test("takes a new name for good and tells the others, but never another member's", async () => {
  await attic.answer(hello(cellar), "192.168.1.2");
  await attic.membership.rename("pantry");
  expect([attic.identity.name, (await readRecord(attic.identity.jws)).name]).toEqual(["pantry", "pantry"]);
  await expect(attic.membership.rename("cellar")).rejects.toMatchObject({ code: "name.taken", exitCode: 3 });
  expect(attic.identity.name).toBe("pantry");
  expect((await tasksOf(attic)).filter(({ kind }) => kind === "publish")).toHaveLength(1);
});

test("a new card in the old board takes the old card's name; the others call it so once the old device is dead", async () => {
  const [old, heir] = [await device("attic", {}, "g6bn1234"), await device("attic", {}, "g6bn1234")];
  await cellar.answer(hello(old), "192.168.1.1");
  // The cellar hands on what it knows, as gossip does.
  await heir.membership.receive({ record: old.identity.jws });
  await heir.membership.receive({ record: cellar.identity.jws });
  expect([heir.identity.name, heir.warnings.list()]).toEqual(["attic", []]);
  expect(await readRecord(heir.identity.jws)).toMatchObject({ name: "attic", replaces: old.identity.id });

  await cellar.answer(hello(heir), "192.168.1.1");
  const called = (id: string) => cellar.membership.members().get(id)?.name;
  expect([called(old.identity.id), called(heir.identity.id)]).toEqual(["attic", "attic-2"]);
  await cellar.membership.happen({ kind: "liveness", states: new Map([[old.identity.id, "dead"]]) });
  expect([called(old.identity.id), called(heir.identity.id)]).toEqual(["attic-2", "attic"]);
});

test("a device on another board, or on one without a serial number, is no heir", async () => {
  const old = await device("attic", {}, "g6bn1234");
  for (const serial of ["g6bn9999", "Default string", undefined]) {
    const other = await device("attic", {}, serial);
    const record = await readRecord(old.identity.jws);
    expect([serial, isOwnPast(other.identity, record)]).toEqual([serial, false]);
  }
  expect(isOwnPast(old.identity, await readRecord(old.identity.jws))).toBe(false);
});
