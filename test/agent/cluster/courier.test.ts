import { expect, test } from "vitest";
import { Courier } from "../../../agent/cluster/courier.ts";
import { type DocumentKind, Documents } from "../../../agent/cluster/documents.ts";
import { decodeMessage, type Summary } from "../../../agent/cluster/messages.ts";
import { silentLog } from "../../../system/log.ts";
import { digestOf, fakeStore } from "./members.ts";

function courier(answer: (id: string, from: string) => string | Promise<string>, more: Partial<DocumentKind> = {}) {
  const store = fakeStore();
  const asked: string[] = [];
  const published: Summary[] = [];
  const clock = { now: 0 };
  const it = new Courier({
    documents: new Documents(store.kinds.map((kind) => ({ ...kind, ...more }))),
    monotonic: () => clock.now,
    log: silentLog,
    publish: (summary) => published.push(summary),
    async fetch(from, kind, id) {
      asked.push(`${from} ${kind} ${id}`);
      return answer(id, from);
    },
  });
  return { it, store, asked, published, clock };
}

const summary = (id: string, number: number, text = `${id} ${number}`): Summary => ({
  kind: "record",
  id,
  number,
  digest: digestOf(text),
});
const settle = () => new Promise((resolve) => setImmediate(resolve));

test("fetches a missing or newer document once, from a member that told of it, keeps it and tells the others", async () => {
  const { it, store, asked, published } = courier((id) => `${id} 2`);
  store.put("record", "held", 2, "held 2");
  store.put("record", "old", 1, "old 1");
  const told = [summary("held", 2), summary("held", 1), summary("old", 2), summary("new", 2)];
  it.collect("cellar", told);
  it.collect("kitchen", told);
  await settle();
  await settle();
  expect(asked.sort()).toEqual(["cellar record old", "kitchen record new"]);
  expect(published.map(({ id, number }) => `${id} ${number}`).sort()).toEqual(["new 2", "old 2"]);
});

test("a refused document is not fetched again within a minute, whichever member tells of it", async () => {
  const { it, asked, published, clock } = courier(() => "bad 1");
  for (const from of ["cellar", "kitchen", "porch"]) {
    it.collect(from, [summary("evil", 1, "bad 1")]);
    await settle();
  }
  expect(asked).toHaveLength(1);
  clock.now = 60_001;
  it.collect("cellar", [summary("evil", 1, "bad 1")]);
  await settle();
  expect(asked).toHaveLength(2);
  expect(published).toEqual([]);
});

test("passes over what its kind would not take now, whoever tells of it, and blames nobody", async () => {
  let isDue = true;
  const { it, asked, published } = courier((id) => `${id} 1`, { isDue: () => isDue });
  it.collect("cellar", [summary("first", 1), summary("second", 1)]);
  isDue = false;
  it.collect("kitchen", [summary("third", 1)]);
  for (let turns = 0; turns < 3; turns++) await settle();
  expect(asked).toEqual(["cellar record first"]);
  isDue = true;
  for (const from of ["cellar", "kitchen"]) it.collect(from, [summary("second", 1), summary("third", 1)]);
  for (let turns = 0; turns < 3; turns++) await settle();
  expect(published.map(({ id }) => id).sort()).toEqual(["first", "second", "third"]);
});

test("fetches a document with the same number and other bytes, for its kind to judge", async () => {
  const { it, store, asked } = courier(() => "x 1");
  store.put("rollout", "spring", 1, "mine 1");
  it.collect("cellar", [{ kind: "rollout", id: "spring", number: 1, digest: digestOf("another 1") }]);
  await settle();
  expect(asked).toEqual(["cellar rollout spring"]);
});

test("fetches at most four at once, one from each member, and a member that fails delays no other", async () => {
  let open = 0;
  let most = 0;
  const { it, store } = courier(async (id, from) => {
    most = Math.max(most, ++open);
    await settle();
    open--;
    if (from === "shed") throw new Error("hung up");
    return `${id} 1`;
  });
  const told = Array.from({ length: 20 }, (_, index) => summary(`d${index}`, 1));
  for (const from of ["cellar", "kitchen", "porch", "loft", "shed", "yard"]) it.collect(from, told);
  for (let round = 0; round < 40; round++) await settle();
  expect(most).toBe(4);
  expect(store.all()).toHaveLength(20);
});

test("t7-courier: a member that tells of thousands of documents, and answers for none, delays no other's and no revocation", async () => {
  const forever = new Promise<string>(() => {});
  const { it, asked, store } = courier((id, from) => (from === "mallory" ? forever : `${id} 1`));
  const madeUp = (kind: string, from: number) =>
    Array.from({ length: 4_096 }, (_, index) => ({ ...summary(`x${from + index}`, 1), kind }));
  const revocation = { ...summary("rev", 1), kind: "revocation" };
  for (const at of [0, 4_096]) for (const kind of ["record", "revocation"]) it.collect("mallory", madeUp(kind, at));
  // She has also heard of the revocation itself.
  it.collect("mallory", [revocation]);
  it.collect("honest", [summary("attic", 1), revocation]);
  for (let round = 0; round < 5; round++) await settle();
  expect(
    store
      .all()
      .map(({ kind, id }) => `${kind} ${id}`)
      .sort(),
  ).toEqual(["record attic", "revocation rev"]);
  expect(asked.filter((one) => one.startsWith("mallory"))).toHaveLength(2);
});

test.each([
  ["forged revocations", "revocation", () => "bad 1"],
  [
    "documents that it does not give",
    "record",
    () => {
      throw new Error("404");
    },
  ],
])("t7-courier: a member that tells of %s without end is asked for one a second", async (_, kind, answer) => {
  const { it, asked, clock } = courier((id, from) => (from === "mallory" ? answer() : `${id} 1`));
  for (let number = 0; number < 400; number++) {
    it.collect("mallory", [{ ...summary(`x${number}`, 1), kind }]);
    await settle();
  }
  expect(asked.length).toBeLessThan(12);
  const before = asked.length;
  for (let seconds = 0; seconds < 5; seconds++) {
    clock.now += 1_000;
    it.collect("mallory", []);
    await settle();
  }
  expect(asked.length - before).toBe(5);
  it.collect("honest", [{ ...summary("late", 1), kind }]);
  await settle();
  expect(asked.at(-1)).toBe(`honest ${kind} late`);
});

test("t7-courier: a member that gives wrong bytes under the name of a document does not keep it from coming by another", async () => {
  const { it, store } = courier((id, from) => (from === "mallory" ? "bad 1" : `${id} 1`));
  it.collect("mallory", [summary("attic", 1)]);
  for (let round = 0; round < 3; round++) await settle();
  it.collect("honest", [summary("attic", 1)]);
  for (let round = 0; round < 3; round++) await settle();
  expect(store.get("record", "attic")).toBe("attic 1");
});

test("t7-courier: a member that tells of refused documents only is not asked for the rest of them", async () => {
  const { it, asked } = courier(() => "bad 1");
  it.collect(
    "mallory",
    Array.from({ length: 2_000 }, (_, index) => summary(`x${index}`, 1)),
  );
  for (let round = 0; round < 300; round++) await settle();
  expect(asked).toHaveLength(64);
  it.collect("mallory", [summary("y", 1)]);
  await settle();
  expect(asked).toHaveLength(64);
});

test("a kind that this release does not know is passed over and never asked for; the rest of the message counts", async () => {
  const { it, asked, published, clock } = courier((id) => `${id} 1`);
  const gossip = JSON.stringify({
    t: "gossip",
    g: [
      ["doc", "waves", "spring", 7, digestOf("waves")],
      ["lease", "a", "form", { that: "is new" }],
      ["doc", "record", "attic", 1, digestOf("attic 1")],
    ],
  });
  for (const at of [0, 60_001, 120_002]) {
    clock.now = at;
    it.collect("cellar", decodeMessage(Buffer.from(gossip))!.documents);
    await settle();
  }
  expect(asked).toEqual(["cellar record attic"]);
  expect(published.map(({ kind, id }) => `${kind} ${id}`)).toEqual(["record attic"]);
});
