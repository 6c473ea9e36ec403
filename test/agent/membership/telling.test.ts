// What members tell each other of those that wait: in time, seldom, and no more than the protocol allows.
import { expect, test } from "vitest";
import { decodeLeaseMessage } from "../../../agent/cluster/leases/messages.ts";
import { DATAGRAM_BYTES, decodeMessage } from "../../../agent/cluster/messages.ts";
import type { Event } from "../../../agent/membership/state.ts";
import { makeTelling } from "../../../agent/membership/telling.ts";
import { decodeWaiting, encodeWaiting } from "../../../agent/membership/waiting-message.ts";
import { idOf } from "../../sim/ink.ts";

const [attic, cellar, porch, kitchen] = [idOf(0), idOf(1), idOf(2), idOf(3)] as const;
const second = 1_000;

function makeTold() {
  let now = 0;
  let waiting: string[] = [];
  const sent: [at: number, to: string, devices: string[] | undefined][] = [];
  const heard: Event[] = [];
  const telling = makeTelling({
    membership: { overMaximum: () => waiting, happen: async (event) => void heard.push(event) },
    alive: () => [attic, cellar],
    send: (to, text) => void sent.push([now, to, decodeWaiting(Buffer.from(text))]),
    monotonic: () => now,
  });
  return {
    ...{ telling, sent, heard },
    wait(ms: number) {
      now += ms;
    },
    /** Looks every ten seconds. */
    live(ms: number, ids: string[]) {
      waiting = ids;
      for (const until = now + ms; now < until; now += 10 * second) telling.look();
    },
  };
}

test("nothing is said until somebody waits; then at once, every two minutes, and that it is over for ten", () => {
  const { live, sent } = makeTold();
  live(600 * second, []);
  expect(sent).toEqual([]);
  live(300 * second, [porch]);
  live(3_600 * second, []);
  const toCellar = sent.filter(([, to]) => to === cellar);
  expect(toCellar.slice(0, 4)).toEqual([
    [600 * second, cellar, [porch]],
    [720 * second, cellar, [porch]],
    [840 * second, cellar, [porch]],
    [900 * second, cellar, []],
  ]);
  expect(toCellar.slice(4).every(([, , devices]) => devices?.length === 0)).toBe(true);
  expect(toCellar.at(-1)?.[0]).toBeLessThan(1_500 * second);
  expect(sent.filter(([, to]) => to === attic)).toHaveLength(toCellar.length);
});

test("a member is heard in its own name, and one that talks without end is not", async () => {
  const { telling, heard, wait } = makeTold();
  const text = Buffer.from(encodeWaiting([porch]));
  for (let n = 0; n < 1_000; n++) await telling.hear(cellar, text);
  expect(heard.length).toBe(6);
  await telling.hear(attic, text);
  expect(heard.at(-1)).toEqual({ kind: "disputed", by: attic, devices: [porch] });
  wait(20 * second);
  await telling.hear(cellar, text);
  expect(heard).toHaveLength(8);
  // An honest one is, also when its list changes with every look for a while.
  const honest = makeTold();
  const other = makeTold();
  for (let n = 0; n < 4; n++) honest.live(10 * second, n % 2 ? [] : [porch]);
  for (const [at, , devices] of honest.sent.filter(([, to]) => to === attic)) {
    other.wait(at);
    await other.telling.hear(kitchen, Buffer.from(encodeWaiting(devices!)));
  }
  expect(other.heard).toHaveLength(4);
});

test("other bytes are no such message, and no other part takes this one for its own", () => {
  const most = Array.from({ length: 16 }, (_, n) => idOf(n));
  expect(encodeWaiting(most).length).toBeLessThan(DATAGRAM_BYTES);
  const bytes = Buffer.from(encodeWaiting(most));
  expect(decodeWaiting(bytes)).toEqual(most);
  expect([decodeMessage(bytes), decodeLeaseMessage(bytes)]).toEqual([undefined, undefined]);
  const wrong = [
    ...["", "{}", "[]", "null", '{"t":"waiting"}', '{"t":"waiting","d":["x"]}', '{"t":"ping","n":1}'],
    JSON.stringify({ t: "waiting", d: [...most, porch] }),
    JSON.stringify({ t: "waiting", d: [], more: "x".repeat(1_200) }),
  ];
  for (const text of wrong) expect(decodeWaiting(Buffer.from(text)), text.slice(0, 40)).toBeUndefined();
  // A later release may say more.
  expect(decodeWaiting(Buffer.from(JSON.stringify({ t: "waiting", d: [porch], since: 5 })))).toEqual([porch]);
});
