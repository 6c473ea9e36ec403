// What a device keeps of operators' orders: on disk before it counts, bounded, and stopped when the operator is revoked.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Warnings } from "../../../agent/health/warnings.ts";
import { digestOf as shortDigestOf } from "../../../agent/membership/documents.ts";
import { makeOrders, type OrderKind, orderKind } from "../../../agent/membership/orders.ts";
import { operatorOrderKinds } from "../../../agent/orders/kinds.ts";
import { Orders } from "../../../agent/orders/orders.ts";
import { comeBack } from "../../../agent/orders/own-comeback.ts";
import { ordersOf } from "../../../agent/rollout/readings.ts";
import { withAuto } from "../../../ota/rollout/auto.ts";
import { signComeback } from "../../../provisioning/trust/comeback.ts";
import { signForget } from "../../../provisioning/trust/forget.ts";
import { type Hold, signHold } from "../../../provisioning/trust/hold.ts";
import { digestOf, sign } from "../../../provisioning/trust/jws.ts";
import { deviceIdOf } from "../../../provisioning/trust/names.ts";
import { type Operator, signatureOf } from "../../../provisioning/trust/order.ts";
import { addRevocation, noRevocations, signRevocation } from "../../../provisioning/trust/revocation.ts";
import { type Rollout, signRollout } from "../../../provisioning/trust/rollout.ts";
import { silentLog } from "../../../system/log.ts";
import { makeDevice, makeOperator, makeStreet, makeToken, monday, rolloutBy } from "../../street.ts";

const elm = makeStreet();
const [owner, alice] = [await makeOperator(elm, "owner"), await makeOperator(elm, "alice")];
const attic = await makeDevice(elm, await makeToken(elm));
const hourMs = 3_600_000;
let behindMs = 0;
const clock = { now: () => monday + hourMs - behindMs, monotonic: () => 0 };

let folder: string;
let revocations = noRevocations;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hamlet-orders-"));
  revocations = noRevocations;
  behindMs = 0;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function open() {
  const warnings = new Warnings(clock, silentLog);
  const orders = await Orders.open({
    ...{ neighborhood: elm.keys, stateFolder: folder, revocations: () => revocations, clock, log: silentLog, warnings },
  });
  const kinds = operatorOrderKinds(orders);
  const published: string[] = [];
  const order = makeOrders(kinds, (kind, id) => void published.push(`${kind} ${id}`));
  const kind = (name: string) => kinds.find((one) => one.kind === name)!;
  return { orders, order, kind, published, warnings };
}
const idOf = (at: number) => `${at}`.padStart(22, "r");
const rollout = (change: Partial<Rollout> = {}, by: Operator = owner) =>
  signRollout(rolloutBy(elm.keys, by, change), by.key);
const hold = (change: Partial<Hold> = {}, by: Operator = owner) =>
  signHold(
    {
      ...{ ...signatureOf(elm.keys.id, by), number: 1, issuedAt: monday },
      ...{ device: attic.id, until: monday + 100, reason: "film", ...change },
    },
    by.key,
  );
const revocationOf = ({ key }: Operator, ...stopped: string[]) => {
  const revoke = {
    ...{ kind: "operator" as const, key: key.publicKey },
    ...(stopped.length > 0 && { stopped: stopped.map(digestOf) }),
  };
  return signRevocation({ v: 1, neighborhood: elm.keys.id, number: monday, issuedAt: monday, revoke }, elm.root);
};
const revokeAlice = async (...stopped: string[]) => {
  revocations = await addRevocation(revocations, await revocationOf(alice, ...stopped), elm.keys);
};

test("an order counts once it is on disk, is told to the others, and is there after a restart", async () => {
  const { orders, order, published } = await open();
  let changes = 0;
  const end = orders.onChange(() => changes++);
  const forget = await signForget(
    { ...signatureOf(elm.keys.id, owner), number: 1, issuedAt: monday, device: attic.id },
    owner.key,
  );
  expect(await order([await rollout(), await hold(), forget])).toEqual(
    ["rollout", "hold", "forget"].map((kind) => ({ kind, outcome: "new", counts: true })),
  );
  expect(changes).toBe(3);
  expect(published).toEqual([`rollout ${"r".repeat(22)}`, `hold ${attic.id}`, `forget ${attic.id}`]);
  expect(await order([await rollout(), await hold()])).toMatchObject([{ outcome: "known" }, { outcome: "known" }]);
  end();
  await order([await rollout({ number: 2 })]);
  expect(changes).toBe(3);

  const { orders: again } = await open();
  expect(again.rollouts()).toMatchObject([{ state: "running", operators: ["owner"], rollout: { number: 2 } }]);
  expect(again.holds()).toMatchObject([{ operator: "owner", hold: { device: attic.id, reason: "film" } }]);
  expect(again.forgets()).toMatchObject([{ forget: { device: attic.id } }]);
  expect(again.operators()).toEqual([{ name: "owner", key: owner.key.publicKey, isRevoked: false }]);
});

test("an order that could not be kept does not count, and warns", async () => {
  const { orders, kind, order, warnings } = await open();
  await rm(folder, { recursive: true });
  await writeFile(folder, "no folder");
  await expect(order([await rollout()])).rejects.toThrow();
  await expect(kind("rollout").offer(await rollout())).rejects.toThrow();
  expect(orders.rollouts()).toEqual([]);
  expect(warnings.list().map(({ code }) => code)).toEqual(["state.full"]);
  await rm(folder);
  await mkdir(folder);
  await order([await rollout()]);
  expect(orders.rollouts()).toHaveLength(1);
  expect(warnings.list()).toEqual([]);
});

test("who comes after an operator was revoked hears of what the root named of it, takes no release by itself, and nothing else of it counts", async () => {
  const { orders, order, kind } = await open();
  const abort = await rollout({ number: 2, state: "aborted", release: "1.4.0" }, alice);
  const running = await rollout({ rollout: idOf(2), release: "1.5.0", startedAt: monday + 1 }, alice);
  await order([abort, running]);
  const digests = [abort, running].map((jws) => ({ operator: alice.key.publicKey, digest: digestOf(jws) }));
  expect(orders.rolloutDigests()).toEqual(digests);
  await revokeAlice();
  expect(kind("rollout").summaries()).toEqual([]);
  await revokeAlice(abort, running);

  folder = await mkdtemp(join(tmpdir(), "hamlet-orders-"));
  const policy = { kind: "auto" as const, waves: [100], soakSeconds: 0, successPercent: 95 };
  const auto = { release: "1.6.0", policy, publisher: "5f" };
  const newcomer = await open();
  const handOver = async () => {
    for (const { id } of kind("rollout").summaries())
      await newcomer.kind("rollout").offer(kind("rollout").get(id) ?? "");
    return withAuto(ordersOf(newcomer.orders.rollouts()), auto, { isRefused: false, hasZone: false });
  };
  expect(await handOver()).toMatchObject([
    { order: { release: "1.4.0", state: "aborted" } },
    { order: { release: "1.5.0", state: "paused" }, because: "operatorRevoked" },
  ]);
  // It hands them on itself, also after a restart; and what the root did not name is refused, an abort too.
  expect((await open()).kind("rollout").summaries()).toHaveLength(2);
  const forged = [await rollout({ number: 9, state: "aborted" }, alice), await rollout({ rollout: idOf(3) }, alice)];
  for (const jws of forged) expect(await newcomer.kind("rollout").offer(jws)).toBe("refused");
  expect(await newcomer.kind("hold").offer(await hold({}, alice))).toBe("refused");
  // Another operator goes on with what was paused.
  await newcomer.order([await rollout({ rollout: idOf(2), release: "1.5.0", startedAt: monday + 1, number: 2 })]);
  expect(newcomer.orders.rollouts()).toMatchObject([{ state: "aborted" }, { state: "running", operators: ["owner"] }]);
});

test("revoking an operator stops what it signed, here, after a restart, and for whoever asks", async () => {
  const { orders, order, kind } = await open();
  await order([await rollout({}, alice), await hold({}, alice), await hold({ device: "all" })]);
  await revokeAlice();
  for (const { orders: one } of [{ orders }, await open()]) {
    expect(one.rollouts()).toMatchObject([{ state: "paused", because: "operatorRevoked" }]);
    expect(one.holds()).toMatchObject([{ hold: { device: "all" } }]);
    expect(one.operators()).toContainEqual({ name: "alice", key: alice.key.publicKey, isRevoked: true });
  }
  expect(kind("rollout").summaries()).toEqual([]);
  expect(kind("operator").summaries()).toHaveLength(1);
  expect(await kind("rollout").offer(await rollout({ number: 2 }, alice))).toBe("refused");
  await expect(order([await rollout({ number: 2 }, alice)])).rejects.toMatchObject({ refusal: "operatorRevoked" });
  await order([await rollout({ number: 2 })]);
  expect(orders.rollouts()).toMatchObject([{ state: "running", operators: ["owner"] }]);
});

test("of orders that come together, one that another puts an end to does not count, and the answer says so of each", async () => {
  const { orders, kind } = await open();
  const revocation: OrderKind = orderKind({
    ...{ kind: "revocation", type: "hamlet-revocation", maxChars: 4 << 10, check: async () => {} },
    summaries: () =>
      revocations.documents.map(({ jws, number, digest }) => ({ id: digest, number, digest: shortDigestOf(jws) })),
    get: () => undefined,
    async take(jws) {
      revocations = await addRevocation(revocations, jws, elm.keys);
      return true;
    },
  });
  const published: string[] = [];
  const order = makeOrders([revocation, kind("rollout"), kind("hold")], (of) => void published.push(of));
  const all = [await hold({}, alice), await rollout(), await revocationOf(alice)];
  // Each would count by itself.
  await kind("hold").check(all[0]!);
  expect(await order(all)).toEqual([
    { kind: "revocation", outcome: "new", counts: true },
    { kind: "rollout", outcome: "new", counts: true },
    { kind: "hold", outcome: "known", counts: false },
  ]);
  expect(published).toEqual(["revocation", "rollout"]);
  expect([orders.holds(), orders.rollouts().length]).toEqual([[], 1]);
  // Known to be refused: nothing of it is taken.
  await expect(order([await rollout({ number: 2 }), all[0]!])).rejects.toMatchObject({ refusal: "operatorRevoked" });
  expect(orders.rollouts()).toMatchObject([{ rollout: { number: 1 } }]);
});

test("both documents of operators who disagree reach the others, and end with the next number", async () => {
  const [one, other] = [await open(), await open()];
  await one.order([await rollout({ promoted: 1 })]);
  await other.orders.take("rollout", await rollout({ promoted: 2 }, alice));
  // As gossip does it: whoever hears of a number and digest that it lacks asks for that id.
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    for (const { id } of from.kind("rollout").summaries()) {
      await to.kind("rollout").offer(from.kind("rollout").get(id)!);
    }
  }
  expect(one.orders.rollouts()).toEqual(other.orders.rollouts());
  expect(one.orders.rollouts()).toMatchObject([{ state: "paused", because: "operatorsDisagree" }]);
  expect(one.kind("rollout").summaries()).toEqual(other.kind("rollout").summaries());
  expect(one.kind("rollout").summaries()).toHaveLength(2);
  expect(one.kind("rollout").get("unknown")).toBeUndefined();
  await one.order([await rollout({ number: 2 })]);
  expect(one.kind("rollout").summaries()).toHaveLength(1);
});

test("an abort that others hear of is news to whoever holds a higher number", async () => {
  const { orders, kind } = await open();
  await orders.take("rollout", await rollout({ number: 9 }));
  const [held] = kind("rollout").summaries();
  await orders.take("rollout", await rollout({ number: 2, state: "aborted" }));
  expect(kind("rollout").summaries()[0]!.number).toBeGreaterThan(held!.number);
  expect(orders.rollouts()).toMatchObject([{ state: "aborted" }]);
});

test("a rollout that every device is done with goes before an older one that is under way", async () => {
  const { orders, order } = await open();
  orders.isDone = (id) => id === idOf(7) || id === idOf(9);
  for (let at = 0; at < 17; at++) await order([await rollout({ rollout: idOf(at), startedAt: monday + at })]);
  const ids = orders.rollouts().map(({ rollout: { rollout: id } }) => id);
  expect([ids.length, ids.includes(idOf(0)), ids.includes(idOf(7)), ids.includes(idOf(9))]).toEqual([
    16,
    true,
    false,
    true,
  ]);
});

test("sixteen rollouts are kept: the oldest aborted goes first, then the oldest, and none comes back", async () => {
  const { orders, order } = await open();
  for (let at = 0; at < 16; at++) await order([await rollout({ rollout: idOf(at), startedAt: monday + at })]);
  const aborted = await rollout({ rollout: idOf(5), startedAt: monday + 5, number: 2, state: "aborted" });
  await order([aborted]);
  await order([await rollout({ rollout: idOf(16), startedAt: monday + 16 })]);
  expect(orders.rollouts().map(({ rollout: { rollout: id } }) => id)).toEqual(
    Array.from({ length: 17 }, (_, at) => idOf(at)).filter((id) => id !== idOf(5)),
  );
  for (const { order: ask } of [{ order }, await open()]) {
    const replayed = ask([await rollout({ rollout: idOf(5), startedAt: monday + 5 })]);
    await expect(replayed).rejects.toMatchObject({ refusal: "outdated" });
  }
  await order([await rollout({ rollout: idOf(17), startedAt: monday + 17 })]);
  expect(orders.rollouts()).toHaveLength(16);
  expect(orders.rollouts()[0]!.rollout.rollout).toBe(idOf(1));
  // Those that are kept still take their next number, however old they are, after a restart too.
  const { order: again } = await open();
  expect(await again([await rollout({ rollout: idOf(1), startedAt: monday + 1, number: 2 })])).toMatchObject([
    { outcome: "new" },
  ]);
});

test("what made room for others comes back on no device, though its clock is a year behind", async () => {
  behindMs = 365 * 24 * hourMs;
  const { orders, order, kind } = await open();
  orders.isDone = (id) => id === idOf(7);
  const all = await Promise.all(
    Array.from({ length: 18 }, (_, at) => rollout({ rollout: idOf(at), startedAt: monday + at })),
  );
  for (const jws of all.slice(0, 16)) await order([jws]);
  await order([await rollout({ rollout: idOf(5), startedAt: monday + 5, number: 2, state: "aborted" })]);
  for (const jws of all.slice(16)) await order([jws]);
  const left = orders.rollouts();
  for (const one of [{ kind, orders }, await open()]) {
    for (const jws of [all[5]!, all[7]!]) {
      await expect(one.orders.take("rollout", jws)).rejects.toMatchObject({ refusal: "outdated" });
      expect(await one.kind("rollout").offer(jws)).toBe("refused");
    }
    expect(one.orders.rollouts()).toEqual(left);
  }
});

test("an abort for which there is no room is remembered all the same: nobody begins what it ended", async () => {
  behindMs = 365 * 24 * hourMs;
  const { orders, order, kind } = await open();
  for (let at = 0; at < 16; at++) await order([await rollout({ rollout: idOf(at), startedAt: monday + at })]);
  const late = { rollout: idOf(20), startedAt: monday + 20 };
  expect(await kind("rollout").offer(await rollout({ ...late, number: 2, state: "aborted" }))).toBe("new");
  for (const one of [kind, (await open()).kind])
    expect(await one("rollout").offer(await rollout(late))).toBe("refused");
  expect(orders.rollouts()).toHaveLength(16);
  // The abort itself is asked for no more.
  expect(await kind("rollout").offer(await rollout({ ...late, number: 2, state: "aborted" }))).toBe("refused");
});

test("another operator goes on with what only the revocation of the first had paused, whatever made room meanwhile", async () => {
  behindMs = 365 * 24 * hourMs;
  const { orders, order } = await open();
  await order([await rollout({}, alice)]);
  await revokeAlice();
  for (let at = 1; at <= 16; at++) await order([await rollout({ rollout: idOf(at), startedAt: monday + at })]);
  expect(orders.rollouts().map(({ rollout: { rollout: id } }) => id)).not.toContain(rolloutBy(elm.keys, owner).rollout);
  orders.isDone = (id) => id === idOf(1);
  await order([await rollout({ number: 2 })]);
  expect(orders.rollouts()[0]).toMatchObject({ state: "running", operators: ["owner"], rollout: { number: 2 } });
});

test("an operator who dates its orders far ahead keeps nobody's order out once it is revoked", async () => {
  const { order } = await open();
  await order([await rollout({ rollout: idOf(0) }), await hold()]);
  for (let at = 1; at <= 34; at++) {
    await order([await rollout({ rollout: idOf(at), startedAt: 2 ** 53 - 100 + at }, alice)]);
  }
  for (let at = 1; at <= 257; at++) {
    const device = deviceIdOf(`${at}`.padStart(43, "a"));
    await order([await hold({ device, issuedAt: 2 ** 53 - 1_000 + at }, alice)]);
  }
  await revokeAlice();
  const { orders, order: ask } = await open();
  const startedAt = clock.now() + 1;
  // As many as there is room for: those of the revoked one go first, and do not move the date.
  for (let at = 0; at < 16; at++) await ask([await rollout({ rollout: idOf(50 + at), startedAt: startedAt + at })]);
  await ask([await hold({ issuedAt: startedAt, number: 9 })]);
  expect(orders.rollouts().map(({ operators, state }) => `${operators} ${state}`)).toEqual(
    Array(16).fill("owner running"),
  );
  expect(orders.holds()).toMatchObject([{ operator: "owner", hold: { number: 9 } }]);
});

test("ten thousand documents of a member that replays and forges change nothing and are not written", async () => {
  const { orders, order, kind } = await open();
  const old = await rollout();
  await order([old, await rollout({ number: 2, state: "paused" })]);
  const before = await readFile(join(folder, "orders.json"), "utf8");
  const forged = [
    old.slice(0, -4),
    await rollout({ number: 3 }, { ...owner, key: attic.key }),
    await rollout({ neighborhood: makeStreet().keys.id, number: 3 }),
  ];
  for (let at = 0; at < 10_000; at++) {
    if (at % 100 === 0) await kind("rollout").offer(old);
    else
      expect(await kind("rollout").offer(forged[at % forged.length]!.slice(0, at % 7 ? undefined : at))).toBe(
        "refused",
      );
  }
  expect(orders.rollouts()).toMatchObject([{ state: "paused" }]);
  expect(await readFile(join(folder, "orders.json"), "utf8")).toBe(before);
});

test("of two holds the higher number counts, and of equal numbers the longer", async () => {
  const { orders, kind } = await open();
  const [film, end] = [await hold(), await hold({ number: 2, until: 0 })];
  for (const jws of [end, film]) await kind("hold").offer(jws);
  expect(orders.holds()).toMatchObject([{ hold: { until: 0 } }]);
  await kind("hold").offer(await hold({ number: 2, until: monday + 50 }, alice));
  expect(orders.holds()).toMatchObject([{ operator: "alice", hold: { until: monday + 50 } }]);
  expect(await kind("hold").offer(end)).toBe("known");
});

const forgetOf = (number = 1, by = owner) =>
  signForget({ ...signatureOf(elm.keys.id, by), number, issuedAt: monday, device: attic.id }, by.key);
const comebackOf = (forget: string, { device = attic, neighborhood = elm.keys.id } = {}) =>
  signComeback(neighborhood, digestOf(forget), device.key);

test("a forget ends for whoever hears the device's own word that it has heard of it, and after a restart", async () => {
  const { orders, order, kind, published } = await open();
  const forget = await forgetOf();
  await order([forget]);
  expect(orders.forgotten()).toEqual([attic.id]);
  const comeback = await comebackOf(forget);
  expect(await kind("comeback").offer(comeback)).toBe("new");
  expect(await order([comeback])).toMatchObject([{ outcome: "known", counts: true }]);
  for (const { orders: one, kind: told } of [{ orders, kind }, await open()]) {
    expect(one.forgotten()).toEqual([]);
    expect(one.forgets()).toMatchObject([{ forget: { device: attic.id }, isBack: true }]);
    expect(told("comeback").summaries()).toMatchObject([{ id: attic.id, number: 1 }]);
    expect(told("comeback").get(attic.id)).toBe(comeback);
  }
  // Forgotten again, it has to come back again: what it said before ends nothing.
  await order([await forgetOf(2)]);
  expect(orders.forgotten()).toEqual([attic.id]);
  expect(kind("comeback").summaries()).toEqual([]);
  expect(await kind("comeback").offer(comeback)).toBe("refused");
  expect((await open()).orders.forgotten()).toEqual([attic.id]);
  expect(published).toEqual([`forget ${attic.id}`, `forget ${attic.id}`]);
});

test("nobody ends a forget in the device's place, ahead of time, or for another neighborhood", async () => {
  const { orders, order, kind } = await open();
  const forget = await forgetOf();
  // It may come before the forget that it is about, and counts once that is here.
  const early = await comebackOf(forget);
  expect(await kind("comeback").offer(early)).toBe("refused");
  await order([forget]);
  const liar = await makeDevice(elm, await makeToken(elm));
  const claim = { v: 1, neighborhood: elm.keys.id, deviceKey: attic.key.publicKey, forget: digestOf(forget) };
  const refused = [
    await comebackOf(forget, { device: liar }),
    await sign("hamlet-comeback", claim, liar.key),
    await comebackOf(forget, { neighborhood: makeStreet().keys.id }),
    await comebackOf(await forgetOf(2)),
    await sign("hamlet-comeback", { ...claim, until: monday }, attic.key),
    early.slice(0, -4),
  ];
  for (const jws of refused) expect(await kind("comeback").offer(jws)).toBe("refused");
  expect(orders.forgotten()).toEqual([attic.id]);
  expect(await kind("comeback").offer(early)).toBe("new");
  expect(orders.forgotten()).toEqual([]);
});

test("two operators forget under one number: the device comes back from the one that counts, and from both in the end", async () => {
  const { orders, kind } = await open();
  const both = [await forgetOf(), await forgetOf(1, alice)];
  const [first, second] = digestOf(both[0]!) > digestOf(both[1]!) ? both : both.toReversed();
  await kind("forget").offer(first!);
  await kind("comeback").offer(await comebackOf(first!));
  await kind("forget").offer(second!);
  expect(orders.forgotten()).toEqual([attic.id]);
  await kind("comeback").offer(await comebackOf(second!));
  expect(orders.forgotten()).toEqual([]);
});

test("a device that was forgotten says that it is back once it has heard of it, once, and no other does", async () => {
  const { orders, order } = await open();
  const published: string[] = [];
  let voters: string[] = [];
  let ended: string[] = [attic.id];
  const back = (id = attic.id) =>
    comeBack({
      ...{ identity: { id, key: attic.key, neighborhood: elm.keys }, orders, log: silentLog },
      ...{ voters: () => voters, ended: () => ended },
      publish: (kind, of) => void published.push(`${kind} ${of}`),
    });
  await back();
  await order([await forgetOf()]);
  await back(deviceIdOf(alice.key.publicKey));
  expect(orders.forgotten()).toEqual([attic.id]);
  // Two voters were given up, and neither is voted out yet: majorities with and without both might not meet.
  voters = [attic.id, "b", "c", "d", "e"];
  ended = [attic.id, "b"];
  await back();
  expect(published).toEqual([]);
  ended = [attic.id];
  await Promise.all([back(), back()]);
  await back();
  expect([orders.forgotten(), published]).toEqual([[], [`comeback ${attic.id}`]]);
  await order([await forgetOf(2)]);
  await back();
  expect([orders.forgotten(), published.length]).toEqual([[], 2]);
});

test("a revoked operator's forget is gone, and with it what ended it", async () => {
  const { orders, order, kind } = await open();
  const forget = await forgetOf(1, alice);
  await order([forget]);
  await kind("comeback").offer(await comebackOf(forget));
  await revokeAlice();
  expect([orders.forgets(), kind("comeback").summaries()]).toEqual([[], []]);
  await order([await forgetOf()]);
  expect(orders.forgotten()).toEqual([attic.id]);
});

test("damage to the file costs no order that its copy or its text still holds", async () => {
  const { order } = await open();
  await order([await rollout(), await hold()]);
  const path = join(folder, "orders.json");
  const text = await readFile(path, "utf8");
  await writeFile(path, text.slice(0, -9));
  const copied = await open();
  expect(copied.orders.rollouts()).toHaveLength(1);
  for (const file of [path, `${path}.copy`]) await writeFile(file, text.replace('"v": 1', '"v": 9'));
  for (let start = 0; start < 2; start++) {
    const { orders, warnings } = await open();
    expect([orders.rollouts().length, orders.holds().length]).toEqual([1, 1]);
    expect(warnings.list().map(({ code }) => code)).toContain("state.damaged");
  }
  expect((await readdir(folder)).some((name) => name.startsWith("orders.json."))).toBe(true);
});

test("what was kept and no longer verifies is left out", async () => {
  const { order } = await open();
  await order([await rollout()]);
  const elsewhere = makeStreet();
  const orders = await Orders.open({
    ...{ neighborhood: elsewhere.keys, stateFolder: folder, revocations: () => noRevocations },
    ...{ clock, log: silentLog, warnings: new Warnings(clock, silentLog) },
  });
  expect(orders.rollouts()).toEqual([]);
});
