// One hostile member can cost its own seat and nothing else: what each attack gains now. The attacker is an admitted device, or whoever
// kept the secret of its token.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeOrders } from "../../../agent/membership/orders.ts";
import { revocationKind } from "../../../agent/membership/root-orders.ts";
import { boardIdentityOf, boardKeyOf } from "../../../provisioning/handover/board.ts";
import { signAdmission } from "../../../provisioning/trust/admission.ts";
import { readUnverified, sign } from "../../../provisioning/trust/jws.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import { deviceIdOf } from "../../../provisioning/trust/names.ts";
import { readRecord } from "../../../provisioning/trust/record.ts";
import { signReplacement } from "../../../provisioning/trust/replacement.ts";
import { TokenCertificate } from "../../../provisioning/trust/token.ts";
import { wireguardKeyOf } from "../../../provisioning/trust/wireguard-key.ts";
import { day, makeTokenFile } from "../../street.ts";
import { type Evil, makeWorld, namesIn, verdict, type World } from "./world.ts";

const vouch = ({ street, shared: _ }: World, by: Evil, { id, token }: Evil) =>
  signAdmission({ neighborhood: street.keys.id, device: id, token: token.certificate.id }, by.key);

test("t1-expired-token-clock: whom a device took in while its clock was behind, it judges again before it vouches", async () => {
  const start = Date.now();
  await using world = await makeWorld({ issuedAt: start - 30 * day, notAfter: start - 23 * day });
  // Attic and cellar joined in time.
  world.now = start - 29 * day;
  const [attic, cellar] = [await world.device("attic"), await world.device("cellar")];
  const { membership: atCellar } = await world.know(cellar);
  const { membership: before } = await world.know(attic);
  await before.receive({ record: cellar.jws });
  await atCellar.receive({ record: attic.jws });
  await before.stop();
  world.now = start;
  const stranger = await world.evil("porch");
  expect(verdict(await atCellar.receive({ record: await stranger.say() }))).toBe("pending tokenExpired");

  let skew = -start;
  const { membership: atAttic, codes } = await world.know(attic, "attic", () => skew);
  const early = await atAttic.receive({ record: await stranger.say() });
  expect([verdict(early), "admission" in early, codes()]).toEqual(["member", false, ["clock.behind"]]);
  skew = 0;
  const late = await atAttic.receive({ record: await stranger.say({ number: 2 }) });
  expect([verdict(late), [...atAttic.members().keys()]]).toEqual(["pending tokenExpired", [cellar.id]]);
  // Also without another word of the stranger's, and after a restart.
  skew = -start;
  const { membership: again } = await world.know(attic, "attic", () => skew);
  await again.receive({ record: await stranger.say({ number: 3 }) });
  await again.stop();
  const { membership: last } = await world.know(attic, "attic", () => skew);
  expect(last.members().size).toBe(2);
  skew = 0;
  await last.setEndpoints([]);
  expect([[...last.members().keys()], last.pending().map(({ name }) => name)]).toEqual([[cellar.id], ["porch"]]);
});

test("t1-expired-token-clock: a newcomer whose token is valid stays, and gets our word once the clock is right", async () => {
  await using world = await makeWorld();
  const [attic, cellar, porch] = [
    await world.device("attic"),
    await world.device("cellar"),
    await world.device("porch"),
  ];
  let skew = -world.now;
  const { membership } = await world.know(attic, "attic", () => skew);
  await membership.receive({ record: cellar.jws });
  expect(await membership.receive({ record: porch.jws })).not.toHaveProperty("admission");
  skew = 0;
  expect(await membership.receive({ record: porch.jws })).toMatchObject({ kind: "member", admission: /./ });
});

test("t3-sybils: a member's word brings in at most twice the token's maximum, and nobody once the token is closed", async () => {
  await using world = await makeWorld({ maxDevices: 3 });
  const [attic, cellar] = [await world.device("attic"), await world.device("cellar")];
  const { membership, codes, warnings } = await world.know(attic);
  await membership.receive({ record: cellar.jws });
  const mallory = await world.evil("mallory");
  await membership.receive({ record: await mallory.say() });
  const plain = await world.evil("plain");
  expect(verdict(await membership.receive({ record: await plain.say() }))).toBe("pending overMaximum");
  const sybils = await Promise.all(Array.from({ length: 60 }, (_, index) => world.evil(`s${index}`)));
  const heard: string[] = [];
  for (const sybil of sybils) {
    // The token ends meanwhile.
    world.now += day;
    const admissions = [await vouch(world, mallory, sybil)];
    heard.push(verdict(await membership.receive({ record: await sybil.say({ admissions }) })));
  }
  expect(heard.filter((one) => one === "member")).toHaveLength(3);
  expect(new Set(heard.slice(3))).toEqual(new Set(["pending overMaximum"]));
  // With this device itself.
  expect(membership.members().size + 1).toBe(6);
  expect(codes()).toEqual(expect.arrayContaining(["token.surplus", "token.disputed"]));
  expect(warnings.list().find(({ code }) => code === "token.disputed")?.message).toMatch(
    /^s59 .* is a member to mallory/,
  );

  const stays = [attic.id, cellar.id];
  const out = { kind: "device" as const, device: mallory.id, token: mallory.token.certificate.id, stays };
  await membership.revoke([await world.revocation(1, out)]);
  expect([...membership.members().keys()]).toEqual([cellar.id]);
  const late = await world.evil("late");
  for (const admissions of [[], [await vouch(world, sybils[0]!, late)]]) {
    expect(verdict(await membership.receive({ record: await late.say({ admissions }) }))).toBe("refused tokenClosed");
  }
});

test("t3-sybils: whatever members say, at most 5 MB a day are written for them, of which the roster has 3, and what was owed is written in the end", async () => {
  await using world = await makeWorld({ maxDevices: 300 });
  const attic = await world.device("attic");
  const { membership } = await world.know(attic);
  const roster = join(world.stateOf("attic"), "roster.json");
  let [bytes, last] = [0, 0];
  const look = async () => {
    const { mtimeMs, size, ino } = await stat(roster).catch(() => ({ mtimeMs: 0, size: 0, ino: 0 }));
    // Each write is a new file, and so is its copy.
    if (ino !== last && mtimeMs > 0) bytes += 2 * size;
    last = ino;
  };
  for (let n = 0; n < 100; n++) {
    const sybil = await world.evil(`s${n}`);
    for (let number = 1; number < 4; number++) {
      await membership.receive({ record: await sybil.say({ number, name: `s${n}-${number}` }) });
      await look();
    }
  }
  expect(membership.members().size).toBe(100);
  expect(bytes).toBeLessThan(1_500_000);
  world.now += day;
  await membership.setEndpoints([]);
  await look();
  expect(bytes).toBeLessThan(3_000_000);
  const { membership: again } = await world.know(attic);
  expect(again.members().size).toBe(100);
}, 60_000);

test("a member that signs a new record with every breath is heard now and then, and its last one in the end", async () => {
  await using world = await makeWorld();
  const { membership } = await world.know(await world.device("attic"));
  const mallory = await world.evil("mallory");
  let told = 0;
  const reading = (async () => {
    for await (const { kind } of membership.tasks) if (kind === "members") told++;
  })();
  const say = async (number: number) => {
    const endpoints = [`192.0.2.1:${1_000 + number}`];
    await membership.receive({ record: await mallory.say({ number, endpoints }) });
  };
  for (let number = 2; number < 80; number++, world.now += 10) await say(number);
  expect(membership.mayRenew(mallory.id)).toBe(false);
  world.now += 5_000;
  expect(membership.mayRenew(mallory.id)).toBe(true);
  await say(80);
  expect(membership.members().get(mallory.id)?.record.number).toBe(80);
  await membership.stop();
  await reading;
  expect(told).toBeLessThan(12);
});

test("t7-courier: of a hello full of forged revocations a few are looked at, and valid ones behind a few forged count", async () => {
  await using world = await makeWorld({ adopt: "confirm" });
  const { membership } = await world.know(await world.device("attic"));
  const stranger = await world.evil("porch");
  const record = await stranger.say();
  const out = { kind: "token" as const, token: "00000000000000ee", stays: [] };
  const forger = generateSigningKey();
  const forged = await Promise.all(Array.from({ length: 100 }, (_, at) => world.revocation(at + 1, out, forger)));
  const valid = await world.revocation(7, out);
  await membership.receive({ record, revocations: [...forged, valid] });
  expect(membership.revocations().number).toBe(0);
  await membership.receive({ record, revocations: [...forged.slice(0, 3), valid] });
  expect(membership.revocations().number).toBe(7);
});

test("no member that uses up what may be written delays a word of the root, nor undoes it by a power cut", async () => {
  await using world = await makeWorld({ maxDevices: 60 });
  const attic = await world.device("attic");
  const { membership } = await world.know(attic);
  // A roster of this length may be written some ten times more.
  for (let n = 0; n < 30; n++) await membership.receive({ record: await (await world.evil(`s${n}`)).say() });
  const [former, heir] = [await world.evil("mallory"), await world.evil("mallory")];
  const board = generateSigningKey();
  const replaces = signReplacement({ neighborhood: world.street.keys.id, former: former.id, heir: heir.id }, board);
  await membership.receive({ record: await former.say({ boardIdentity: board.publicKey }) });
  await membership.receive({ record: await heir.say({ replaces }) });
  const roster = join(world.stateOf("attic"), "roster.json");
  const writtenAt = async () => (await stat(roster, { bigint: true })).mtimeNs;
  // By its own signed word one of the two leaves and comes back, and their name goes from one to the other.
  let before = 0n;
  for (let flips = 0; (await writtenAt()) !== before; flips += 2) {
    before = await writtenAt();
    for (const is of ["left", "alive"] as const) {
      await membership.happen({
        kind: "liveness",
        states: new Map([[former.id, is] as const, [heir.id, "alive"] as const]),
      });
    }
    expect(flips).toBeLessThan(200);
  }
  const { id: token } = readUnverified("hamlet-token", world.shared.token, TokenCertificate);
  const order = makeOrders([revocationKind(membership)], () => {});
  const revoked = { kind: "device" as const, device: heir.id, token, stays: [attic.id] };
  expect(await order([await world.revocation(1, revoked)])).toMatchObject([{ outcome: "new", counts: true }]);
  const { membership: again } = await world.know(attic);
  expect([...again.members().keys()]).toEqual([]);
  expect(verdict(await again.receive({ record: await heir.say({ number: 2 }) }))).toBe("refused deviceRevoked");
}, 60_000);

test("t4-big-admission: nobody's admission displaces another's, and a record that lost them gets them again", async () => {
  const start = Date.now();
  await using world = await makeWorld({ issuedAt: start - 30 * day, notAfter: start - 23 * day, maxDevices: 10 });
  world.now = start - 29 * day;
  const [victim, cellar, shed] = [
    await world.device("attic"),
    await world.device("cellar"),
    await world.device("shed"),
  ];
  const { membership } = await world.know(victim);
  await membership.receive({ record: cellar.jws, admissions: [await cellar.admit(victim, victim.token)] });
  await membership.receive({ record: shed.jws, admissions: [await shed.admit(victim, victim.token)] });
  const honest = [...victim.admissions];
  expect(honest).toHaveLength(2);
  for (let n = 0; n < 6; n++) {
    const mallory = await world.evil(`mallory-${n}`);
    const claims = { neighborhood: world.street.keys.id, device: victim.id, token: victim.token.id, by: mallory.id };
    const huge = await sign("hamlet-admission", { ...claims, pad: "x".repeat(2_400) }, mallory.key);
    const small = await signAdmission({ ...claims }, mallory.key);
    await membership.receive({ record: await mallory.say(), admissions: [huge, small, small] });
  }
  world.now = start;
  expect(victim.admissions).toHaveLength(4);
  expect((await readRecord(victim.jws)).admissions).toEqual(expect.arrayContaining(honest));

  // A new device that knows the cellar meets the victim, long after the token has ended.
  const fresh = await makeTokenFile(world.street, { id: "00000000000000ff" });
  const porch = await world.device("porch", fresh);
  const { membership: atPorch } = await world.know(porch);
  await atPorch.receive({ record: cellar.jws });
  expect(verdict(await atPorch.receive({ record: victim.jws }))).toBe("member");

  // The victim's state is lost. The cellar sees no voucher that it knows, and gives its word again.
  world.now = start - 29 * day;
  const { membership: atCellar } = await world.know(cellar);
  await atCellar.receive({ record: victim.jws });
  await membership.stop();
  await victim.sign({ ...victim.own, number: victim.number + 1, admissions: [] });
  world.now = start;
  const heard = await atCellar.receive({ record: victim.jws });
  if (!("admission" in heard)) throw new Error("the cellar gave no word");
  const { membership: restarted } = await world.know(victim);
  await restarted.receive({ record: cellar.jws, admissions: [heard.admission!] });
  expect((await readRecord(victim.jws)).admissions).toContain(heard.admission);
});

test("t5-names: a member with a lower id and junk for admissions moves nobody's name, and renaming away and back wins none", async () => {
  await using world = await makeWorld();
  const [victim, cellar] = [await world.device("attic"), await world.device("cellar")];
  const { membership: atVictim } = await world.know(victim);
  const { membership: atCellar } = await world.know(cellar);
  await atCellar.receive({ record: victim.jws });
  await atVictim.receive({ record: cellar.jws, admissions: [cellar.admit(victim, victim.token)] });
  let key = generateSigningKey();
  while (deviceIdOf(key.publicKey) >= victim.id) key = generateSigningKey();
  const mallory = await world.evil("attic", world.shared, key);
  const junk = `${cellar.id}.${"a".repeat(86)}`;
  const record = await mallory.say({ admissions: [junk] });
  await atVictim.receive({ record, called: "attic-2" });
  expect([victim.name, namesIn(atVictim)[mallory.id]]).toEqual(["attic", "attic-2"]);
  await atCellar.receive({ record: victim.jws });
  for (const name of ["attic", "x", "attic"]) {
    await atCellar.receive({ record: await mallory.say({ name, number: world.now++, admissions: [junk] }) });
  }
  expect(namesIn(atCellar)).toEqual({ [victim.id]: "attic", [mallory.id]: "attic-2" });
  // What a name means outlives a restart.
  await atCellar.stop();
  expect(namesIn((await world.know(cellar)).membership)).toEqual({ [victim.id]: "attic", [mallory.id]: "attic-2" });
});

test("t5-names: who only says to replace a member takes no name, dead or not, and silences no warning", async () => {
  await using world = await makeWorld();
  const [victim, cellar] = [await world.device("attic"), await world.device("cellar")];
  const { membership, codes } = await world.know(cellar);
  await membership.receive({ record: victim.jws });
  const mallory = await world.evil("attic");
  const replaced = { neighborhood: world.street.keys.id, former: victim.id, heir: mallory.id };
  const replaces = signReplacement(replaced, generateSigningKey());
  await membership.receive({ record: await mallory.say({ replaces }) });
  for (const state of ["alive", "dead", "alive"] as const) {
    await membership.happen({ kind: "liveness", states: new Map([[victim.id, state]]) });
    expect(namesIn(membership)).toEqual({ [victim.id]: "attic", [mallory.id]: "attic-2" });
    expect(codes().includes("member.dead")).toBe(state === "dead");
  }
});

test("t5-names: whoever passes for an earlier card of a member's board gets no name that it never had", async () => {
  await using world = await makeWorld();
  const cellar = await world.device("cellar");
  const facts = { serials: ["g6bn1234"], macs: [] };
  const [victim, mallory] = [await world.evil("attic"), await world.evil("attic")];
  const boardIdentity = boardIdentityOf(facts, mallory.key.publicKey)!;
  const replaced = { neighborhood: world.street.keys.id, former: mallory.id, heir: victim.id };
  const replaces = signReplacement(replaced, boardKeyOf(facts, mallory.key.publicKey)!);
  const { membership } = await world.know(cellar);
  await membership.receive({ record: await victim.say() });
  await membership.receive({ record: await mallory.say({ boardIdentity }) });
  await membership.receive({ record: await victim.say({ number: 2, replaces }) });
  const names = { [victim.id]: "attic", [mallory.id]: "attic-2" };
  for (const state of ["alive", "dead", "alive"] as const) {
    await membership.happen({ kind: "liveness", states: new Map([[mallory.id, state] as const]) });
    expect(namesIn(membership)).toEqual(names);
  }
});

test("t5-names: a name that an heir took goes back to the former that lives, also after a restart in between", async () => {
  await using world = await makeWorld();
  const cellar = await world.device("cellar");
  const [former, heir] = [await world.evil("attic"), await world.evil("attic")];
  const board = generateSigningKey();
  const replaces = signReplacement({ neighborhood: world.street.keys.id, former: former.id, heir: heir.id }, board);
  const { membership } = await world.know(cellar);
  await membership.receive({ record: await former.say({ boardIdentity: board.publicKey }) });
  await membership.receive({ record: await heir.say({ replaces }) });
  await membership.happen({ kind: "liveness", states: new Map([[former.id, "dead"]]) });
  expect(namesIn(membership)).toEqual({ [former.id]: "attic-2", [heir.id]: "attic" });
  const { membership: again } = await world.know(cellar);
  await again.happen({ kind: "liveness", states: new Map([[former.id, "alive"]]) });
  expect(namesIn(again)).toEqual({ [former.id]: "attic", [heir.id]: "attic-2" });
});

test("t2-wireguard-key: a member that claims another's WireGuard key keeps nobody out", async () => {
  await using world = await makeWorld();
  const [victim, newcomer] = [await world.device("attic"), await world.device("porch")];
  const mallory = await world.evil("mallory");
  const { membership } = await world.know(newcomer);
  // She greets the newcomer before the victim does.
  await membership.receive({ record: await mallory.say({ wireguardKey: victim.wireguard.publicKey }) });
  expect(membership.members().get(mallory.id)?.wireguardKey).toBe(wireguardKeyOf(mallory.key.publicKey));
  expect(verdict(await membership.receive({ record: victim.jws }))).toBe("member");
  await membership.stop();
  const { membership: again } = await world.know(newcomer);
  expect(verdict(await again.receive({ record: victim.jws }))).toBe("member");
});
