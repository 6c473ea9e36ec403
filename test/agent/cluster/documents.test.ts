import { expect, test } from "vitest";
import { Courier } from "../../../agent/cluster/documents.ts";
import type { Summary } from "../../../agent/cluster/messages.ts";
import { silentLog } from "../../../system/log.ts";
import { digestOf, fakeStore } from "./members.ts";

function courier(answer: (id: string) => string | Promise<string>) {
  const store = fakeStore();
  const asked: string[] = [];
  const published: Summary[] = [];
  const clock = { now: 0 };
  const it = new Courier({
    store,
    monotonic: () => clock.now,
    log: silentLog,
    publish: (summary) => published.push(summary),
    async fetch(from, kind, id) {
      asked.push(`${from} ${kind} ${id}`);
      return answer(id);
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

test("what is lacking or newer is fetched once from the teller, kept and told on; what is held is not", async () => {
  const { it, store, asked, published } = courier((id) => `${id} 2`);
  store.put("record", "held", 2, "held 2");
  store.put("record", "old", 1, "old 1");
  const told = [summary("held", 2), summary("held", 1), summary("old", 2), summary("new", 2)];
  it.heard("cellar", told);
  it.heard("kitchen", told);
  await settle();
  expect(asked).toEqual(["cellar record old", "cellar record new"]);
  expect(published.map(({ id, number }) => `${id} ${number}`)).toEqual(["old 2", "new 2"]);
});

test("what was refused is not asked for again within a minute, by whomever it is told", async () => {
  const { it, asked, published, clock } = courier(() => "bad 1");
  for (const from of ["cellar", "kitchen", "porch"]) {
    it.heard(from, [summary("evil", 1)]);
    await settle();
  }
  expect(asked).toHaveLength(1);
  clock.now = 60_001;
  it.heard("cellar", [summary("evil", 1)]);
  await settle();
  expect(asked).toHaveLength(2);
  expect(published).toEqual([]);
});

test("the same number with other bytes is put before the store", async () => {
  const { it, store, asked } = courier(() => "x 1");
  store.put("rollout", "spring", 1, "mine 1");
  it.heard("cellar", [{ kind: "rollout", id: "spring", number: 1, digest: digestOf("another 1") }]);
  await settle();
  expect(asked).toEqual(["cellar rollout spring"]);
});

test("at most four are fetched at once, and a teller that fails holds up nobody", async () => {
  let open = 0;
  let most = 0;
  const { it, store } = courier(async (id) => {
    most = Math.max(most, ++open);
    await settle();
    open--;
    if (id === "d3") throw new Error("hung up");
    return `${id} 1`;
  });
  it.heard(
    "cellar",
    Array.from({ length: 20 }, (_, index) => summary(`d${index}`, 1)),
  );
  for (let round = 0; round < 40; round++) await settle();
  expect(most).toBe(4);
  expect(store.summaries()).toHaveLength(19);
});
