// One hostile member can cost its own seat and nothing else: what each attack gains now. The attacker is an admitted device, or whoever
// kept the secret of its token.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { signAdmission } from "../../../provisioning/trust/admission.ts";
import { sign } from "../../../provisioning/trust/jws.ts";
import { readRecord } from "../../../provisioning/trust/record.ts";
import { day, makeTokenFile } from "../../street.ts";
import { type Evil, makeWorld, verdict, type World } from "./world.ts";

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

test("t3-sybils: whatever members say, at most 5 MB a day are written for them, and what was owed is written in the end", async () => {
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
  expect(bytes).toBeLessThan(3_000_000);
  world.now += day;
  await membership.setEndpoints([]);
  await look();
  expect(bytes).toBeLessThan(5_000_000);
  const { membership: again } = await world.know(attic);
  expect(again.members().size).toBe(100);
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

test("t2-wireguard-key: a member that claims another's WireGuard key keeps nobody out", async () => {
  await using world = await makeWorld();
  const [victim, newcomer] = [await world.device("attic"), await world.device("porch")];
  const mallory = await world.evil("mallory");
  const { membership } = await world.know(newcomer);
  // She greets the newcomer before the victim does.
  await membership.receive({ record: await mallory.say({ wireguardKey: victim.wireguard.publicKey }) });
  expect(verdict(await membership.receive({ record: victim.jws }))).toBe("member");
  await membership.stop();
  const { membership: again } = await world.know(newcomer);
  expect(verdict(await again.receive({ record: victim.jws }))).toBe("member");
});
