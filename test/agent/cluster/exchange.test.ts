import { expect, test } from "vitest";
import { Documents } from "../../../agent/cluster/documents.ts";
import { makeExchange } from "../../../agent/cluster/exchange.ts";
import { decodeSync, type Freight, SYNC_BYTES } from "../../../agent/cluster/messages.ts";
import { idOf } from "../../sim/ink.ts";
import { attic, cellar, news } from "./folks.ts";
import { fakeStore } from "./members.ts";

function exchange(size = 1) {
  const documents = fakeStore();
  const heard: Freight[] = [];
  const it = makeExchange({
    documents: new Documents(documents.kinds),
    news: () => Array.from({ length: size }, (_, index) => news(idOf(index), "alive", 1)),
    ask: () => Promise.reject(new Error("this test asks nobody")),
    onSync: (_from, slices) => heard.push(join([...slices])),
  });
  return { it, documents, heard };
}

const join = (slices: Iterable<Freight>): Freight => ({
  news: [...slices].flatMap((slice) => slice.news),
  documents: [...slices].flatMap((slice) => slice.documents),
});
const decoded = (body: string): Freight => join([...decodeSync(Buffer.from(body))!]);

const request = (method: string, path: string, body = "") => ({ method, path, body: Buffer.from(body) });

test("a full sync: the asker gets what we held before, and we get what it holds", () => {
  const { it, heard } = exchange();
  const answer = it.answer(cellar, request("POST", "/v1/sync", JSON.stringify({ v: 1, g: [] })));
  expect(answer.status).toBe(200);
  expect(decoded(answer.body)).toEqual({ news: [news(attic, "alive", 1)], documents: [] });
  expect(heard).toEqual([{ news: [], documents: [] }]);
});

test.each([
  ["a sync that is not JSON", request("POST", "/v1/sync", "{"), 400],
  ["a sync by GET", request("GET", "/v1/sync"), 404],
  ["a document that we do not hold", request("GET", "/v1/documents/record/none"), 404],
  ["a path that leads out of the documents", request("GET", "/v1/documents/record/..%2f..%2fkey"), 404],
  ["anything else", request("DELETE", "/"), 404],
])("%s is refused", (_, asked, status) => {
  expect(exchange().it.answer(cellar, asked)).toEqual({ status, body: "" });
});

test("a member hands out a document by kind and id", () => {
  const { it, documents } = exchange();
  documents.put("rollout", "spring", 1, "the spring rollout 1");
  expect(it.answer(cellar, request("GET", "/v1/documents/rollout/spring"))).toEqual({
    status: 200,
    body: "the spring rollout 1",
  });
});

test("sends a part that the other side will read, if everything exceeds a full sync", () => {
  const { it } = exchange(20_000);
  const { body } = it.answer(cellar, request("POST", "/v1/sync", JSON.stringify({ v: 1, g: [] })));
  expect(body.length).toBeLessThanOrEqual(SYNC_BYTES);
  expect(decoded(body).news.length).toBeGreaterThan(1_000);
});

test("documents of a kind that this release does not know are neither listed nor handed out", () => {
  const { it, documents } = exchange();
  documents.put("rollout", "spring", 1, "spring rollout 1");
  documents.put("waves", "spring", 1, "spring waves 1");
  const { body } = it.answer(cellar, request("POST", "/v1/sync", JSON.stringify({ v: 1, g: [] })));
  expect(decoded(body).documents.map(({ kind }) => kind)).toEqual(["rollout"]);
  expect(it.answer(cellar, request("GET", "/v1/documents/waves/spring"))).toEqual({ status: 404, body: "" });
});

test("however much there is to tell, a full sync begins with the revocations", () => {
  const { it, documents } = exchange(20_000);
  for (let index = 0; index < 3_000; index++) documents.put("record", `r${index}`, 1, `r${index} 1`);
  documents.put("revocation", "rev", 1, "rev 1");
  const { body } = it.answer(cellar, request("POST", "/v1/sync", JSON.stringify({ v: 1, g: [] })));
  const [first] = decodeSync(Buffer.from(body))!;
  expect(first?.documents[0]).toMatchObject({ kind: "revocation", id: "rev" });
});
