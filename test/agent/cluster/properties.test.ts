// What holds for every message.
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  DATAGRAM_BYTES,
  decodeMessage,
  decodeSync,
  encodeMessage,
  type Message,
  type Summary,
} from "../../../agent/cluster/messages.ts";
import type { News } from "../../../agent/cluster/news.ts";
import { begin, type Event, step } from "../../../agent/cluster/swim.ts";
import type { View } from "../../../agent/cluster/view.ts";
import { ink } from "../../sim/ink.ts";
import { after, among, attic, cellar, gossip, kitchen, news, porch } from "./folks.ts";

const others = [cellar, kitchen, porch];
const anyId = fc.constantFrom(attic, ...others);
const anyState = fc.constantFrom("alive", "suspect", "dead", "left");
const signedNews = fc
  .tuple(anyId, anyState, fc.integer({ min: 1, max: 4 }), anyId)
  .map(([id, state, incarnation, by]) => news(id, state, incarnation, by));
const forgedNews = fc
  .tuple(signedNews, fc.stringMatching(/^[A-Za-z0-9_-]{86}$/))
  .map(([item, signature]): News => ({ ...item, incarnation: item.incarnation + 1, signature }));
const message = (items: fc.Arbitrary<News>): fc.Arbitrary<Message> =>
  fc
    .record({
      type: fc.constantFrom("ping", "ack", "nack", "ask", "gossip"),
      sequence: fc.nat(9),
      target: anyId,
      news: fc.array(items, { maxLength: 5 }),
      documents: fc.constant<Summary[]>([]),
    })
    .map((all) => all as Message);
const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ kind: fc.constant("heard" as const), from: anyId, message: message(signedNews) }),
  fc.constant({ kind: "tick" } as const),
  fc.record({ kind: fc.constant("members" as const), ids: fc.subarray(others) }),
);
const anyHistory = fc.array(fc.tuple(anyEvent, fc.nat(2_000)), { maxLength: 40 });

function live(seed: number, history: [Event, number][]): View[] {
  let now = 0;
  let view = after(begin(attic, seed, 0, ink), 0, { kind: "members", ids: others })[0];
  return history.map(([event, pauseMs]) => {
    now += pauseMs;
    view = step(view, event, now, ink)[0];
    return view;
  });
}

const beliefs = (view: View) =>
  [...view.members].map(([id, { state, incarnation }]) => `${id} ${state} ${incarnation}`).sort();

test("no bytes make the decoder throw, and only messages decode", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => {
      expect(decodeMessage(bytes)).toBeUndefined();
      expect(decodeSync(bytes)).toBeUndefined();
    }),
  );
});

test("no JSON makes the decoder throw, and nothing unsigned that it accepts changes a belief", () => {
  const start = among(others);
  // Half of the elements have the form of news, so that the decoder accepts them and only the signature can refuse them.
  const element = fc.oneof(
    fc.jsonValue(),
    forgedNews.map((item) => JSON.parse(encodeMessage({ type: "gossip", news: [item], documents: [] })).g[0]),
  );
  const shape = fc.record({
    t: fc.constantFrom("ping", "ack", "ask", "gossip"),
    n: fc.nat(),
    m: anyId,
    g: fc.oneof(
      { weight: 1, arbitrary: fc.jsonValue() },
      { weight: 4, arbitrary: fc.array(element, { maxLength: 5 }) },
    ),
  });
  let carriedNews = 0;
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), { weight: 3, arbitrary: shape }), anyId, (value, from) => {
      const decoded = decodeMessage(Buffer.from(JSON.stringify(value)));
      if (!decoded) return;
      if (decoded.news.length > 0) carriedNews++;
      const [view] = step(start, { kind: "heard", from, message: decoded }, 0, ink);
      expect(beliefs(view)).toEqual(beliefs(start));
      expect(view.self).toEqual(start.self);
    }),
    { numRuns: 500 },
  );
  expect(carriedNews).toBeGreaterThan(50);
});

test("nothing unsigned changes a belief, whatever message carries it", () => {
  const start = among(others);
  fc.assert(
    fc.property(message(forgedNews), anyId, (forged, from) => {
      const [view] = step(start, { kind: "heard", from, message: forged }, 0, ink);
      expect(beliefs(view)).toEqual(beliefs(start));
      expect(view.self).toEqual(start.self);
    }),
  );
});

test("the same news leads to the same beliefs, in any sequence and however often", () => {
  const aboutOthers = signedNews.filter(({ id }) => id !== attic);
  fc.assert(
    fc.property(fc.array(aboutOthers, { maxLength: 12 }), fc.infiniteStream(fc.nat()), (items, chance) => {
      const shuffled = [...items, ...items]
        .map((item) => [chance.next().value, item] as const)
        .sort(([a], [b]) => a - b);
      const one = after(among(others), 0, ...items.map((item) => gossip(kitchen, item)))[0];
      const other = after(among(others), 0, ...shuffled.map(([, item]) => gossip(porch, item)))[0];
      expect(beliefs(one)).toEqual(beliefs(other));
    }),
  );
});

test("no incarnation ever decreases, neither our own nor a member's", () => {
  fc.assert(
    fc.property(anyHistory, (history) => {
      const views = live(1, history);
      for (const [index, view] of views.entries()) {
        const before = views[index - 1];
        if (!before) continue;
        expect(view.self.incarnation).toBeGreaterThanOrEqual(before.self.incarnation);
        for (const [id, { incarnation }] of before.members) {
          const member = view.members.get(id);
          if (member) expect(member.incarnation).toBeGreaterThanOrEqual(incarnation);
        }
      }
    }),
  );
});

test("the same seed and events give the same view, and a step does not change its input", () => {
  fc.assert(
    fc.property(fc.integer(), anyHistory, (seed, history) => {
      const views = live(seed, history);
      const [last] = views.slice(-1);
      if (!last) return;
      const copy = structuredClone(last);
      step(last, { kind: "tick" }, last.dueAt < Number.POSITIVE_INFINITY ? last.dueAt : 1e9, ink);
      expect(last).toEqual(copy);
      expect(live(seed, history).at(-1)).toEqual(last);
    }),
  );
});

test("no datagram exceeds the limit, whatever a view has to tell, and each reads back", () => {
  fc.assert(
    fc.property(anyHistory, fc.nat(), (history, seed) => {
      const view = live(seed, history).at(-1) ?? begin(attic, seed, 0, ink);
      for (const effect of step(view, { kind: "tick" }, Math.min(view.dueAt, 1e9), ink)[1]) {
        if (effect.kind !== "send") continue;
        const bytes = Buffer.from(encodeMessage(effect.message));
        expect(bytes.length).toBeLessThanOrEqual(DATAGRAM_BYTES);
        expect(decodeMessage(bytes)).toEqual(effect.message);
      }
    }),
  );
});
