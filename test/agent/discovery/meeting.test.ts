import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { makeHearing } from "../../../agent/discovery/hearing.ts";
import type { Hello } from "../../../agent/discovery/hello.ts";
import { makeMeeting } from "../../../agent/discovery/meeting.ts";
import { Warnings } from "../../../agent/health/warnings.ts";
import { type Identity, loadIdentity } from "../../../agent/identity.ts";
import { Membership } from "../../../agent/membership/membership.ts";
import { ownReplacement } from "../../../agent/membership/replacements.ts";
import type { Task } from "../../../agent/membership/state.ts";
import { agentFilesIn } from "../../../provisioning/handover/agent-files.ts";
import { yieldIdentity } from "../../../provisioning/handover/identity.ts";
import { signPart } from "../../../provisioning/trust/jws.ts";
import { readRecord, signRecord } from "../../../provisioning/trust/record.ts";
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

type Device = {
  identity: Identity;
  membership: Membership;
  warnings: Warnings;
  stateFolder: string;
  port: number;
  /** What was said to it, as bytes, and what it answered. */
  overheard: { asked: string; answered: string }[];
} & ReturnType<typeof makeMeeting>;
async function device(name: string, token: Partial<TokenCertificate> = {}, serial?: string): Promise<Device> {
  const stateFolder = join(folder, `device-${count++}`);
  await mkdir(stateFolder, { recursive: true });
  await setBoard(stateFolder, serial);
  const own = Object.keys(token).length > 0 ? await hood.token(token) : {};
  return run(stateFolder, await bootDevice(stateFolder, hood.provision({ ...own, name })));
}
const setBoard = async (stateFolder: string, serial?: string) => {
  if (serial) await writeFile(join(stateFolder, "board.json"), JSON.stringify({ serials: [serial], macs: [] }));
};
/** The device whose disk is a copy of this one's, in a board with this serial number. */
async function copyOf({ stateFolder }: Device, serial?: string): Promise<Device> {
  const copy = join(folder, `device-${count++}`);
  await cp(stateFolder, copy, { recursive: true });
  await setBoard(copy, serial);
  return start(copy);
}
const start = async (stateFolder: string) => {
  const self = { board: "nuc", release: "1.0.0", bootId: `boot-of-${stateFolder.split("/").at(-1)}`, stateFolder };
  return run(stateFolder, (await loadIdentity(self, "/nonexistent"))!);
};
async function run(stateFolder: string, identity: Identity): Promise<Device> {
  const clock = { now: Date.now, monotonic: () => performance.now() };
  const warnings = new Warnings(clock, silentLog);
  const membership = await Membership.open({ identity, stateFolder, clock, log: silentLog, warnings });
  const meeting = makeMeeting({ identity, membership });
  const { id, neighborhood } = identity;
  const hear = makeHearing({
    ...{ id, neighborhood: neighborhood.id, wireguardKey: identity.wireguard.privateKey, clock },
    onHello: meeting.answer,
  });
  const overheard: Device["overheard"] = [];
  const door = createServer(async (request, response) => {
    const asked = (await buffer(request)).toString();
    const heard = await hear(JSON.parse(asked), "127.0.0.1").catch((error: { code: string; message: string }) => error);
    const answered = JSON.stringify("answer" in heard ? heard.answer : { code: heard.code, message: heard.message });
    overheard.push({ asked, answered });
    response.writeHead("answer" in heard ? 200 : 403).end(answered);
  });
  await new Promise<void>((resolve) => door.listen(0, "127.0.0.1", resolve));
  doors.push(door);
  const { port } = door.address() as AddressInfo;
  return { identity, membership, warnings, stateFolder, port, overheard, ...meeting };
}
const doors: ReturnType<typeof createServer>[] = [];
afterEach(() => {
  for (const door of doors.splice(0)) door.close();
});
/** `asker` greets `answerer`. */
const meet = (asker: Device, answerer: Device) => asker.greet({ address: "127.0.0.1", port: answerer.port });
/** What `by` would say to `to`, with any change. */
async function say(by: Device, to: Device, change: Partial<Hello> = {}): Promise<Hello> {
  const [askerNonce, answererNonce] = ["a".repeat(22), "b".repeat(32)];
  const talk = { asker: by.identity.id, askerNonce, answerer: to.identity.id, answererNonce };
  const presence = signPart("hamlet-presence", talk, by.identity.key);
  const own = { record: by.identity.jws, presence, known: [], revocations: [] };
  const whole = { ...talk, neighborhood: by.identity.neighborhood.id };
  return await to.answer({ ...own, ...change }, whole, "192.168.1.2");
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

test("two devices that meet know each other, and each is admitted by the other", async () => {
  expect(await meet(cellar, attic)).toBe(attic.identity.id);
  expect([...attic.membership.members().keys()]).toEqual([cellar.identity.id]);
  expect([...cellar.membership.members().keys()]).toEqual([attic.identity.id]);
  expect([attic.identity.admissions.length, cellar.identity.admissions.length]).toEqual([1, 1]);
  expect(await tasksOf(attic)).toContainEqual({ kind: "met", id: cellar.identity.id, from: "127.0.0.1" });
});

test("a stranger's documents replace no member's and cause no new record", async () => {
  await meet(cellar, attic);
  const [before, number] = [attic.identity.admissions, attic.identity.number];
  const admission = `${cellar.identity.id}.${"a".repeat(86)}`;
  const revocations = Array.from({ length: 200 }, (_, index) => `r.${index}a.x`);
  await expect(say(cellar, attic, { record: "no.record.atall", admission, revocations })).rejects.toMatchObject({
    code: "document.refused",
  });
  await say(cellar, attic, { admission, revocations });
  // Nor does anybody's own word for himself.
  await say(cellar, attic, { admission: attic.identity.admit(attic.identity, attic.identity.token) });
  expect([attic.identity.admissions, attic.identity.number]).toEqual([before, number]);
  expect(attic.membership.revocationsBeyond([])).toEqual([]);
});

test("a record counts only from its own device, here and now", async () => {
  const shed = await device("shed");
  // The shed repeats what the cellar said, or says the cellar's record itself.
  const stolen = { record: cellar.identity.jws };
  await expect(say(shed, attic, stolen)).rejects.toMatchObject({ code: "hello.refused" });
  expect(attic.membership.members().size).toBe(0);
});

test("a device gets exactly the revocations that it lacks, whichever side greets", async () => {
  const revocation = (key: string) =>
    signRevocation(
      {
        v: 1,
        neighborhood: attic.identity.neighborhood.id,
        // One number for two: a neighborhood recovered from paper did not know the first.
        number: 1,
        issuedAt: Date.now(),
        revoke: { kind: "operator", key },
      },
      hood.root,
    );
  const [first, second] = [await revocation(attic.identity.deviceKey), await revocation(cellar.identity.deviceKey)];
  await attic.membership.revoke([first]);
  await cellar.membership.revoke([second]);
  await meet(cellar, attic);
  for (const { membership } of [attic, cellar]) {
    expect(new Set(membership.revocationsBeyond([]))).toEqual(new Set([first, second]));
  }
  const known = cellar.membership.revocations().documents.map(({ digest }) => digest);
  expect((await say(cellar, attic, { known })).revocations).toEqual([]);
});

test("a device whose token has expired says so, with the one command that helps", async () => {
  const late = await device("late", { issuedAt: 1, notAfter: Date.now() - 1_000 });
  // The attic knows somebody, so it judges dates.
  await meet(cellar, attic);
  await expect(meet(late, attic)).rejects.toMatchObject({ code: "hello.pending" });
  expect(late.membership.isWaiting()).toBe(true);
  expect(late.warnings.list()).toMatchObject([
    { code: "token.expired", hint: expect.stringMatching(/hamlet provision <card> .*--name late$/) },
  ]);
});

test("after two devices of one name have met, exactly one keeps it", async () => {
  const twin = await device("attic");
  await meet(twin, attic);
  expect([attic.identity.name, twin.identity.name].sort()).toEqual(["attic", "attic-2"]);
  const renamed = attic.identity.name === "attic-2" ? attic : twin;
  expect(renamed.warnings.list().map(({ code }) => code)).toContain("member.nameTaken");
  expect((await tasksOf(renamed)).map(({ kind }) => kind)).toContain("publish");
});

test("a newcomer takes the number by which the first member that it meets knows it", async () => {
  const shed = await device("shed");
  await meet(attic, shed);
  await meet(cellar, shed);
  for (const asks of [true, false]) {
    const twin = await device("attic");
    await (asks ? meet(twin, shed) : meet(shed, twin));
    const called = shed.membership.members().get(twin.identity.id)?.name;
    expect(called).toMatch(/^attic-[23]$/);
    expect([twin.identity.name, attic.identity.name]).toEqual([called, "attic"]);
  }
});

test("takes a new name for good and tells the others, but never another member's", async () => {
  await say(cellar, attic);
  await attic.membership.rename("pantry");
  expect([attic.identity.name, (await readRecord(attic.identity.jws)).name]).toEqual(["pantry", "pantry"]);
  await expect(attic.membership.rename("cellar")).rejects.toMatchObject({ code: "name.taken", exitCode: 3 });
  expect(attic.identity.name).toBe("pantry");
  expect((await tasksOf(attic)).filter(({ kind }) => kind === "publish")).toHaveLength(1);
});

test("a new card in the old board takes the old card's name; the others call it so once the old device is dead", async () => {
  const [old, heir] = [await device("attic", {}, "g6bn1234"), await device("attic", {}, "g6bn1234")];
  await say(old, cellar);
  // The cellar hands on what it knows, as gossip does.
  await heir.membership.receive({ record: old.identity.jws });
  await heir.membership.receive({ record: cellar.identity.jws });
  expect([heir.identity.name, heir.warnings.list()]).toEqual(["attic", []]);
  expect(await readRecord(heir.identity.jws)).toMatchObject({
    name: "attic",
    replaces: expect.stringMatching(new RegExp(`^${old.identity.id}\\.`)),
  });

  await say(heir, cellar);
  const called = (id: string) => cellar.membership.members().get(id)?.name;
  expect([called(old.identity.id), called(heir.identity.id)]).toEqual(["attic", "attic-2"]);
  await cellar.membership.happen({ kind: "liveness", states: new Map([[old.identity.id, "dead"]]) });
  expect([called(old.identity.id), called(heir.identity.id)]).toEqual(["attic-2", "attic"]);
});

test("a new card that first meets who still calls the dead device by its name takes that name back", async () => {
  const [old, heir] = [await device("attic", {}, "g6bn1234"), await device("attic", {}, "g6bn1234")];
  const shed = await device("shed");
  await meet(shed, cellar);
  await meet(old, cellar);
  await cellar.membership.happen({ kind: "liveness", states: new Map([[old.identity.id, "dead"]]) });
  await meet(heir, cellar);
  expect(heir.identity.name).toBe("attic-2");
  // Gossip brings the old record.
  await heir.membership.receive({ record: old.identity.jws });
  expect([heir.identity.name, heir.warnings.list()]).toEqual(["attic", []]);
  await cellar.membership.receive({ record: heir.identity.jws });
  const called = [old, heir].map(({ identity }) => cellar.membership.members().get(identity.id)?.name);
  expect(called).toEqual(["attic-2", "attic"]);
});

test("a forerunner that lives has its name back, and nobody inherits from it meanwhile", async () => {
  const [old, heir] = [await device("attic", {}, "g6bn1234"), await device("attic", {}, "g6bn1234")];
  await heir.membership.receive({ record: old.identity.jws });
  // Whichever of the two the cellar hears first.
  for (const order of [
    [old, heir],
    [heir, old],
  ]) {
    const shed = await device("shed");
    for (const one of order) await say(one!, shed);
    const called = () => [old, heir].map(({ identity }) => shed.membership.members().get(identity.id)?.name);
    const hears = (state: "alive" | "dead") =>
      shed.membership.happen({ kind: "liveness", states: new Map([[old.identity.id, state]]) });
    await hears("alive");
    expect(called()).toEqual(["attic", "attic-2"]);
    await hears("dead");
    expect(called()).toEqual(["attic-2", "attic"]);
    expect(shed.warnings.list().map(({ code }) => code)).not.toContain("member.dead");
    await hears("alive");
    expect(called()).toEqual(["attic", "attic-2"]);
  }
});

test("a device on another board, or on one without a serial number, is no heir", async () => {
  const old = await device("attic", {}, "g6bn1234");
  for (const serial of ["g6bn9999", "Default string", undefined]) {
    const other = await device("attic", {}, serial);
    const record = await readRecord(old.identity.jws);
    expect([serial, ownReplacement(other.identity, record)]).toEqual([serial, undefined]);
  }
  expect(ownReplacement(old.identity, await readRecord(old.identity.jws))).toBeUndefined();
});

describe("h4-lan, h4-stranger: a stranger on the link", () => {
  /** A stranger's door: answers as `reply` says, and keeps what it heard. */
  async function stranger(reply: (asked: string) => Promise<{ status: number; body: string }>) {
    const heard: string[] = [];
    const door = createServer(async (request, response) => {
      const asked = (await buffer(request)).toString();
      heard.push(asked);
      const { status, body } = await reply(asked);
      response.writeHead(status).end(body);
    });
    await new Promise<void>((resolve) => door.listen(0, "127.0.0.1", resolve));
    doors.push(door);
    return { heard, port: (door.address() as AddressInfo).port };
  }
  const post = async (port: number, body: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/hello`, { method: "POST", body });
    return { status: answer.status, body: await answer.text() };
  };

  test("that only announced itself gets a device's id and a nonce, and no more", async () => {
    const own = await stranger(async (asked) => {
      const { id, nonce } = JSON.parse(asked);
      return { status: 200, body: JSON.stringify({ id: attic.identity.id, nonce, proof: id.padEnd(43, "a") }) };
    });
    await expect(cellar.greet({ address: "127.0.0.1", port: own.port })).rejects.toMatchObject({
      code: "hello.refused",
      message: expect.stringContaining("does not know this neighborhood"),
    });
    expect(own.heard.map((asked) => Object.keys(JSON.parse(asked)))).toEqual([["id", "nonce"]]);
  });

  test("that passes a hello on reads nothing of it, and gets nothing for saying it again, there or to another", async () => {
    const shed = await device("shed");
    const between = await stranger((asked) => post(attic.port, asked));
    await cellar.greet({ address: "127.0.0.1", port: between.port });
    const secrets = [attic.identity.neighborhood.id, ...[attic, cellar].map(({ identity }) => identity.jws)];
    const all = attic.overheard.flatMap(({ asked, answered }) => [asked, answered]);
    expect(all).toHaveLength(8);
    for (const text of all) for (const secret of secrets) expect(text).not.toContain(secret);
    for (const text of all)
      expect(Object.keys(JSON.parse(text)).join()).toMatch(/^(id,nonce(,proof|,answererNonce,sealed)?|sealed)$/);
    for (const asked of between.heard.filter((text) => text.includes("sealed"))) {
      for (const { port } of [attic, shed]) expect(await post(port, asked)).toMatchObject({ status: 403 });
    }
    expect(shed.membership.members().size).toBe(0);
  });

  test("that refuses changes no page: only a device of the neighborhood can say that this one waits", async () => {
    const late = await device("late", { issuedAt: 1, notAfter: Date.now() - 1_000 });
    for (const body of ['{"code":"hello.pending","message":"tokenExpired"}', '{"refused":"pending","because":"x"}']) {
      for (const status of [200, 403]) {
        const own = await stranger(async () => ({ status, body }));
        await expect(late.greet({ address: "127.0.0.1", port: own.port })).rejects.toThrow();
      }
    }
    expect([late.membership.isWaiting(), late.warnings.list()]).toEqual([false, []]);
  });
});

test("beyond the link a hello is for the seed's key alone: nobody on the way sees who greets whom", async () => {
  const keyOf = ({ identity }: Device) => Buffer.from(identity.wireguard.publicKey, "base64").toString("base64url");
  const place = { address: "127.0.0.1", port: attic.port };
  expect(await cellar.greet({ ...place, wireguardKey: keyOf(attic) })).toBe(attic.identity.id);
  expect(attic.membership.members().has(cellar.identity.id)).toBe(true);
  for (const text of attic.overheard.flatMap(({ asked, answered }) => [asked, answered])) {
    expect(Object.keys(JSON.parse(text))).toEqual(["jwe"]);
    for (const { identity } of [attic, cellar]) expect(text).not.toContain(identity.id);
  }
  await expect(cellar.greet({ ...place, wireguardKey: keyOf(cellar) })).rejects.toMatchObject({
    code: "hello.refused",
    message: expect.stringContaining("hello.invalid"),
  });
});

describe("t15-clones: two devices with one identity", () => {
  const codes = ({ warnings }: Device) => warnings.list().map(({ code }) => code);
  const yields = async (one: Device) => (await tasksOf(one)).some(({ kind }) => kind === "yield");

  test("on one board, or on boards that tell nothing: a warning names them, and they do not fight", async () => {
    const copy = await copyOf(attic);
    const numbers = () => [attic, copy].map(({ identity }) => identity.number);
    const before = numbers();
    // Each hears of the other through members.
    for (let round = 0; round < 50; round++) {
      await attic.membership.receive({ record: copy.identity.jws });
      await copy.membership.receive({ record: attic.identity.jws });
    }
    const written = numbers().map((number, index) => number - before[index]!);
    // A state file for each climb. 200 were written for these 50 rounds.
    expect(Math.max(...written)).toBeLessThanOrEqual(8);
    expect([codes(attic), codes(copy)]).toEqual([["identity.cloned"], ["identity.cloned"]]);
    expect([await yields(attic), await yields(copy)]).toEqual([false, false]);
  });

  test("that greet each other know it at once", async () => {
    const copy = await copyOf(attic);
    await expect(meet(copy, attic)).rejects.toMatchObject({ code: "hello.refused" });
    expect(codes(attic)).toEqual(["identity.cloned"]);
    await expect(meet(attic, copy)).rejects.toMatchObject({ code: "hello.refused" });
    expect(codes(copy)).toEqual(["identity.cloned"]);
    expect(attic.warnings.list()[0]?.message).toContain("at 127.0.0.1");
  });

  test("a device that greets itself, at an address that it did not know for its own, is no clone", async () => {
    await expect(meet(attic, attic)).rejects.toMatchObject({ code: "hello.refused" });
    expect(codes(attic)).toEqual([]);
  });

  test("a disk restored from yesterday goes above what its own past has told, and is no clone", async () => {
    const restored = await copyOf(attic);
    await attic.identity.sign({ ...attic.identity.own, number: attic.identity.number + 7 });
    await restored.membership.receive({ record: attic.identity.jws });
    expect([restored.identity.number, codes(restored)]).toEqual([attic.identity.number + 1, []]);
  });

  test("a member that says another's old record again makes nobody believe in a clone", async () => {
    const past = attic.identity.jws;
    const rebooted = await start(attic.stateFolder);
    await expect(say(cellar, rebooted, { record: past })).rejects.toMatchObject({ code: "hello.refused" });
    await rebooted.membership.receive({ record: past });
    expect(codes(rebooted)).toEqual([]);
  });

  test("on two boards: the copy gives the identity up and waits as a new device; the other stays who it is", async () => {
    const original = await device("attic", {}, "g6bn1234");
    await meet(original, cellar);
    const copy = await copyOf(original, "g6bn9999");
    await expect(meet(copy, original)).rejects.toMatchObject({ code: "hello.refused" });
    await expect(meet(original, copy)).rejects.toMatchObject({ code: "hello.refused" });
    expect([await yields(copy), await yields(original)]).toEqual([true, false]);
    await yieldIdentity(agentFilesIn(copy.stateFolder), () => undefined);
    const fresh = await start(copy.stateFolder);
    expect([original, copy].map(({ identity }) => identity.id)).not.toContain(fresh.identity.id);
    expect(fresh.identity.wireguard.publicKey).not.toBe(original.identity.wireguard.publicKey);
    await expect(meet(fresh, cellar)).rejects.toMatchObject({ code: "hello.pending" });
    expect(cellar.membership.pending()).toMatchObject([{ id: fresh.identity.id, because: "needsConfirmation" }]);
    expect([...cellar.membership.members().keys()]).toEqual([original.identity.id]);
    // A member's word does not let it in either, and with the original it is out.
    const admissions = [cellar.identity.admit(fresh.identity, fresh.identity.token)];
    const vouched = await signRecord({ ...(await readRecord(fresh.identity.jws)), admissions }, fresh.identity.key);
    expect(await attic.membership.receive({ record: cellar.identity.jws })).toMatchObject({ kind: "member" });
    expect(await attic.membership.receive({ record: vouched })).toMatchObject({ kind: "pending" });
    await expect(yieldIdentity(agentFilesIn(copy.stateFolder), () => undefined)).rejects.toMatchObject({
      code: "identity.invalid",
    });
    const { neighborhood, token } = original.identity;
    const revoke = { kind: "device" as const, device: original.identity.id, token: token.id, stays: [] };
    const out = { v: 1 as const, neighborhood: neighborhood.id, number: 1, issuedAt: Date.now(), revoke };
    await attic.membership.revoke([await signRevocation(out, hood.root)]);
    expect(await attic.membership.receive({ record: vouched })).toMatchObject({ because: "deviceRevoked" });
  });

  test("a disk that was moved to another board stays who it is", async () => {
    const moved = await copyOf(await device("attic", {}, "g6bn1234"), "g6bn9999");
    await meet(moved, cellar);
    expect([codes(moved), await yields(moved)]).toEqual([[], false]);
  });
});
