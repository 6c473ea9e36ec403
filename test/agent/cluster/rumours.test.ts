import { expect, test } from "vitest";
import { addDocument, addNews, load, type Rumours, tellings } from "../../../agent/cluster/rumours.ts";
import { idOf } from "../../sim/ink.ts";
import { attic, cellar, kitchen, news } from "./folks.ts";

test("tells a rumour 4 times the decimal logarithm of the cluster's size, then never again", () => {
  expect([3, 9, 10, 100].map(tellings)).toEqual([4, 4, 8, 12]);
  let rumours: Rumours = addNews([], news(cellar, "alive", 1));
  for (let telling = 0; telling < 4; telling++) {
    const [freight, left] = load(rumours, [], 3);
    expect(freight.news).toEqual([news(cellar, "alive", 1)]);
    rumours = left;
  }
  expect(rumours).toEqual([]);
});

test("a newer claim replaces the older and every accusation, and counts as untold", () => {
  const told = load(addNews([], news(cellar, "alive", 1)), [], 3)[1];
  const accused = [attic, kitchen].reduce((all, by) => addNews(all, news(cellar, "suspect", 1, by)), told);
  expect(accused).toHaveLength(3);
  expect(addNews(accused, news(cellar, "alive", 2))).toMatchObject([
    { about: cellar, told: 0, news: { state: "alive" } },
  ]);
});

test("a revocation goes before all else, however often it was told", () => {
  const document = { kind: "revocation", id: "r", number: 1, digest: "d".repeat(22) };
  let rumours = addDocument([], document);
  for (let telling = 0; telling < 3; telling++) {
    for (let index = 0; index < 20; index++) rumours = addNews(rumours, news(idOf(index), "alive", telling + 1));
    const [freight, left] = load(rumours, [], 1_000);
    expect(freight.documents).toEqual([document]);
    rumours = left;
  }
});

test("the least told goes first, and what does not fit waits", () => {
  const all = Array.from({ length: 20 }, (_, index) => news(idOf(index), "alive", 1));
  let rumours: Rumours = all.reduce((queue: Rumours, item) => addNews(queue, item), []);
  const heard = new Set<string>();
  for (let telling = 0; telling < 3; telling++) {
    const [freight, left] = load(rumours, [], 20);
    for (const { id } of freight.news) heard.add(id);
    rumours = left;
  }
  expect(heard.size).toBe(20);
});

test("`first` is not repeated in one message, and counts as told", () => {
  const first = news(attic, "alive", 1);
  const [freight, left] = load(addNews([], first), [first], 3);
  expect(freight.news).toEqual([first]);
  expect(left).toMatchObject([{ told: 1 }]);
});

test("documents ride along, one rumour per kind and id", () => {
  const edition = (number: number) => ({ kind: "rollout", id: "spring", number, digest: "d".repeat(43) });
  const [freight] = load(addDocument(addDocument([], edition(1)), edition(2)), [], 3);
  expect(freight.documents).toEqual([edition(2)]);
});
