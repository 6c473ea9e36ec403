// What an operator signs: who may, and that of everything ever said about a rollout the same counts everywhere.
import fc from "fast-check";
import { expect, test } from "vitest";
import { signForget, verifyForget } from "../../../provisioning/trust/forget.ts";
import { holdOn, signHold, verifyHold } from "../../../provisioning/trust/hold.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import { type Authority, type Operator, type Signed, signatureOf } from "../../../provisioning/trust/order.ts";
import { orderRefusalCodes, type RefusalCode } from "../../../provisioning/trust/refusal.ts";
import { addRevocation, noRevocations, signRevocation } from "../../../provisioning/trust/revocation.ts";
import { maxRolloutChars, type Rollout, signRollout, verifyRollout } from "../../../provisioning/trust/rollout.ts";
import {
  addRollout,
  type HeldRollouts,
  type RolloutOrder,
  rankOf,
  rolloutOrders,
} from "../../../provisioning/trust/rollout-orders.ts";
import { makeDevice, makeOperator, makeStreet, makeToken, monday, rolloutBy } from "../../street.ts";

const elm = makeStreet();
const [owner, alice] = [await makeOperator(elm, "owner"), await makeOperator(elm, "alice")];
const attic = await makeDevice(elm, await makeToken(elm));
const authority: Authority = { neighborhood: elm.keys, revocations: noRevocations, known: new Map() };
const gone = await addRevocation(
  noRevocations,
  await signRevocation(
    {
      ...{ v: 1, neighborhood: elm.keys.id, number: monday, issuedAt: monday },
      revoke: { kind: "operator", key: alice.key.publicKey },
    },
    elm.root,
  ),
  elm.keys,
);

const signed = async (change: Partial<Rollout> = {}, by: Operator = owner): Promise<Signed<Rollout>> =>
  verifyRollout(await signRollout(rolloutBy(elm.keys, by, change), by.key), authority);
const standing = (documents: readonly Signed<Rollout>[], revocations = noRevocations): RolloutOrder =>
  rolloutOrders(documents.reduce(addRollout, new Map() as HeldRollouts), revocations)[0]!;

test("a rollout counts if its key has a certificate of the root that came with it, or is known", async () => {
  const content = rolloutBy(elm.keys, owner);
  expect(await verifyRollout(await signRollout(content, owner.key), authority)).toMatchObject({
    content,
    operator: { name: "owner", key: owner.key.publicKey },
  });
  const { certificate: _, ...bare } = content;
  const jws = await signRollout(bare, owner.key);
  await expect(verifyRollout(jws, authority)).rejects.toMatchObject({ refusal: "operatorUnknown" });
  const { operator } = await signed();
  const known = new Map([[bare.operator, operator]]);
  expect((await verifyRollout(jws, { ...authority, known })).content).toEqual(bare);
});

test("every refusal of an order occurs, and each kind of order is only its own", async () => {
  const oak = makeStreet();
  const stranger = await makeOperator(oak);
  const self = { key: generateSigningKey(), certificate: owner.certificate };
  const { certificate: _, ...bare } = rolloutBy(elm.keys, owner);
  const refused = async (jws: string, trusted = authority): Promise<RefusalCode> =>
    verifyRollout(jws, trusted).then(
      () => expect.unreachable(),
      ({ refusal }) => refusal,
    );
  const cases: [RefusalCode, string, Authority?][] = [
    ["operatorUnknown", await signRollout(bare, owner.key)],
    ["operatorRevoked", await signRollout(rolloutBy(elm.keys, alice), alice.key), { ...authority, revocations: gone }],
    ["wrongNeighborhood", await signRollout(rolloutBy(oak.keys, owner), owner.key)],
    ["badSignature", await signRollout(rolloutBy(elm.keys, stranger), stranger.key)],
    ["badSignature", await signRollout(rolloutBy(elm.keys, owner), attic.key)],
    ["idMismatch", await signRollout(rolloutBy(elm.keys, self), self.key)],
    [
      "wrongType",
      await signHold(
        {
          ...signatureOf(elm.keys.id, owner),
          number: 1,
          issuedAt: monday,
          device: "all",
          until: monday,
          reason: "film",
        },
        owner.key,
      ),
    ],
    ["badContent", await signRollout(rolloutBy(elm.keys, owner, { waves: [50, "canary"] }), owner.key)],
    ["badContent", await signRollout(rolloutBy(elm.keys, owner, { waves: [0.5] }), owner.key)],
    ["badContent", await signRollout(rolloutBy(elm.keys, owner, { window: "02:00-02:00" }), owner.key)],
    ["badContent", await signRollout(rolloutBy(elm.keys, owner, { number: 2 ** 41 }), owner.key)],
    ["badContent", await signRollout({ ...rolloutBy(elm.keys, owner), later: 1 } as Rollout, owner.key)],
  ];
  for (const [code, jws, trusted] of cases) expect(await refused(jws, trusted)).toBe(code);
  const occurring = new Set(cases.map(([code]) => code));
  // Whether an order is outdated depends on those that are held: test/agent/orders raises it.
  for (const code of orderRefusalCodes.filter((one) => one !== "outdated")) expect(occurring).toContain(code);
});

test("a known certificate of a revoked operator does not count either", async () => {
  const { certificate: _, ...bare } = rolloutBy(elm.keys, alice);
  const { operator } = await signed({}, alice);
  const known = new Map([[bare.operator, operator]]);
  const jws = await signRollout(bare, alice.key);
  await expect(verifyRollout(jws, { ...authority, known, revocations: gone })).rejects.toMatchObject({
    refusal: "operatorRevoked",
  });
});

test("the longest rollout fits", async () => {
  const longest = rolloutBy(elm.keys, await makeOperator(elm, "\u{1f3d8}".repeat(32)), {
    ...{ release: "1".repeat(64), waves: ["canary", ...Array.from({ length: 15 }, (_, at) => at + 86)] },
    ...{ maxFailures: 10_000, maxUnavailable: 10_000, window: "02:00-05:00", tag: "t".repeat(32), number: 2 ** 40 },
  });
  expect((await signRollout(longest, owner.key)).length).toBeLessThan(maxRolloutChars);
});

test("the highest number counts, whoever signed it", async () => {
  const first = await signed();
  const pause = await signed({ number: 2, state: "paused" }, alice);
  const resume = await signed({ number: 3, promoted: 1 });
  expect(standing([first, resume, pause])).toMatchObject({ state: "running", rollout: resume.content });
  expect(standing([pause, first])).toMatchObject({ state: "paused", operators: ["alice"] });
});

test("equal numbers that say different things pause it and name both, until the next number", async () => {
  const one = await signed({ number: 2, promoted: 1 });
  const other = await signed({ number: 2 }, alice);
  for (const heard of [
    [one, other],
    [other, one],
  ]) {
    const order = standing(heard);
    expect(order).toMatchObject({ state: "paused", because: "operatorsDisagree" });
    expect([...order.operators].sort()).toEqual(["alice", "owner"]);
  }
  expect(standing([one, other, await signed({ number: 3 })])).toMatchObject({ state: "running", operators: ["owner"] });
  // Both say the same at another time: nobody disagrees.
  const same = await signed({ number: 2, promoted: 1, issuedAt: monday + 5 }, alice);
  expect(standing([one, same])).toMatchObject({ state: "running" });
  expect(standing([one, same]).because).toBeUndefined();
});

test("abort is final, whatever comes after it and whatever becomes of its operator", async () => {
  const abort = await signed({ number: 2, state: "aborted" }, alice);
  const resume = await signed({ number: 3 });
  expect(standing([abort, resume])).toMatchObject({ state: "aborted", operators: ["alice"] });
  expect(standing([resume, abort], gone)).toMatchObject({ state: "aborted" });
});

test("revoking an operator stops what it signed, until another operator gives a higher number", async () => {
  const start = await signed({}, alice);
  expect(standing([start])).toMatchObject({ state: "running" });
  expect(standing([start], gone)).toMatchObject({ state: "paused", because: "operatorRevoked", operators: ["alice"] });
  expect(standing([start, await signed({ number: 2 })], gone)).toMatchObject({ state: "running" });
  // Of two who disagree the one that is left counts.
  const [one, other] = [await signed({ number: 3 }, alice), await signed({ number: 3, promoted: 1 })];
  expect(standing([one, other], gone)).toMatchObject({ state: "running", rollout: { promoted: 1 } });
});

test("every sequence and repetition of documents ends in the same orders, on the way never below a number heard", async () => {
  const documents = await Promise.all([
    signed(),
    signed({ number: 2, state: "paused" }),
    signed({ number: 2, promoted: 1 }, alice),
    signed({ number: 2, promoted: 2 }, alice),
    signed({ number: 2, promoted: 1, issuedAt: monday + 1 }),
    signed({ number: 3, state: "aborted" }, alice),
    signed({ number: 4 }),
    signed({ rollout: "s".repeat(22), startedAt: monday - 1, number: 7 }),
    signed({ rollout: "s".repeat(22), startedAt: monday - 1, number: 7, promoted: 1 }, alice),
    signed({ rollout: "s".repeat(22), startedAt: monday - 1, number: 6, state: "paused" }),
  ]);
  const some = fc.array(fc.nat(documents.length - 1), { maxLength: 20 });
  const permuted = some.chain((heard) =>
    fc.record({
      straight: fc.constant(heard),
      mixed: fc.shuffledSubarray([...heard, ...heard], { minLength: heard.length * 2 }),
    }),
  );
  fc.assert(
    fc.property(permuted, ({ straight, mixed }) => {
      const end = (heard: readonly number[]) => {
        let held: HeldRollouts = new Map();
        for (const at of heard) {
          const { rollout } = documents[at]!.content;
          const before = Math.max(0, ...(held.get(rollout) ?? []).map(({ content }) => rankOf(content)));
          held = addRollout(held, documents[at]!);
          expect(Math.min(...held.get(rollout)!.map(({ content }) => rankOf(content)))).toBeGreaterThanOrEqual(before);
        }
        return new Map([...held].sort(([one], [other]) => (one < other ? -1 : 1)));
      };
      expect(end(mixed)).toEqual(end(straight));
    }),
    { numRuns: 300 },
  );
});

test("rollouts stand in the order in which they started", async () => {
  const later = await signed({ rollout: "a".repeat(22), startedAt: monday + 1 });
  const orders = rolloutOrders([later, await signed()].reduce(addRollout, new Map() as HeldRollouts), noRevocations);
  expect(orders.map(({ rollout }) => rollout.startedAt)).toEqual([monday, monday + 1]);
});

test("a hold keeps one device or all until its time, and the longest is named", async () => {
  const fields = { ...signatureOf(elm.keys.id, owner), number: 1, issuedAt: monday };
  const jws = await signHold({ ...fields, device: attic.id, until: monday + 100, reason: "film" }, owner.key);
  const { content: film } = await verifyHold(jws, authority);
  const all = { device: "all", until: monday + 50, reason: "away" } as const;
  expect(holdOn([all, film], attic.id, monday)).toBe(film);
  expect(holdOn([all, film], "other", monday)).toBe(all);
  expect(holdOn([all, film], attic.id, monday + 100)).toBeUndefined();
  for (const reason of ["", "two\nlines", "x".repeat(121)]) {
    const bad = await signHold({ ...fields, device: "all", until: 0, reason }, owner.key);
    await expect(verifyHold(bad, authority)).rejects.toMatchObject({ refusal: "badContent" });
  }
  const forget = await signForget({ ...fields, device: attic.id }, owner.key);
  expect((await verifyForget(forget, authority)).content.device).toBe(attic.id);
  await expect(verifyForget(jws, authority)).rejects.toMatchObject({ refusal: "wrongType" });
});
