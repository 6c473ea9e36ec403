import { expect, test } from "vitest";
import { brokerLimits, mayPublish, maySubscribe } from "../../../ota/fleet/access.ts";
import { type Door, Sessions } from "../../../ota/fleet/sessions.ts";
import { maxPayloadBytes, sessionsTopic } from "../../../ota/fleet/topics.ts";

const hood = "n".repeat(26);
const [attic, cellar, kitchen] = ["a".repeat(26), "c".repeat(26), "k".repeat(26)] as const;
const ha = `${attic}.homeassistant`;
const door: Door = { isMember: () => true, mayRead: () => true, maySay: () => true, speaksFor: () => true };
const filter = `hamlet/${hood}/+/warnings`;
let count = 0;
const message = (from: string, bytes = 10) => ({
  key: `b:${++count}`,
  topic: `hamlet/${hood}/${from}/warnings`,
  payload: Buffer.alloc(bytes, "x"),
  at: count,
});
function away(limits: ConstructorParameters<typeof Sessions>[0] = {}): Sessions {
  const sessions = new Sessions(limits);
  sessions.subscribe(ha, [[filter, 1]]);
  sessions.attend(ha, false, 0);
  return sessions;
}
const sources = (sessions: Sessions) => sessions.waiting(ha).map(({ topic }) => topic.split("/")[2]);
const hearAll = (to: Sessions, from: Sessions, now = 10_000, at: Door = door) => {
  for (const bytes of from.all(now)) to.hear(bytes, at, now);
};

test("messages wait for the sessions whose filters cover them, with QoS 1 only", () => {
  const sessions = away();
  sessions.subscribe(`${cellar}.log`, [[filter, 0]]);
  expect(sessions.readersOf(`hamlet/${hood}/${cellar}/warnings`)).toEqual([ha]);
  expect(sessions.readersOf(`hamlet/${hood}/${cellar}/state`)).toEqual([]);
});

test("of too many messages the oldest go, of the device that has most, so that none pushes out what others said", () => {
  const sessions = away({ waiting: 4 });
  sessions.put(ha, message(kitchen));
  for (let number = 0; number < 100; number++) sessions.put(ha, message(cellar));
  expect(sources(sessions)).toEqual([kitchen, cellar, cellar, cellar]);
});

test("of too many bytes the oldest go, of one session and of all together", () => {
  const one = away({ waitingBytes: 3_000 });
  one.put(ha, message(kitchen, 100));
  for (let number = 0; number < 10; number++) one.put(ha, message(cellar, 1_000));
  expect(sources(one)).toEqual([kitchen, cellar, cellar]);

  const all = away({ waitingBytesInAll: 4_000 });
  all.subscribe(`${kitchen}.log`, [[filter, 1]]);
  all.put(`${kitchen}.log`, message(kitchen, 100));
  for (let number = 0; number < 10; number++) all.put(ha, message(cellar, 1_000));
  expect([all.waiting(`${kitchen}.log`).length, all.waiting(ha).length]).toEqual([1, 3]);
});

test("a device has few sessions, and the neighborhood not more than it can hold", () => {
  const sessions = away({ sessions: 3, sessionsPerDevice: 2 });
  sessions.subscribe(`${attic}.two`, [[filter, 1]]);
  expect([sessions.mayKeep(ha), sessions.mayKeep(`${attic}.three`), sessions.mayKeep(cellar)]).toEqual([
    true,
    false,
    true,
  ]);
  sessions.subscribe(cellar, [[filter, 1]]);
  expect(sessions.mayKeep(kitchen)).toBe(false);
});

test("a session ends when its client has been away for too long, or its device is no member any more", () => {
  const sessions = away({ awayMs: 1_000 });
  sessions.expire(999, () => true);
  expect(sessions.size).toBe(1);
  sessions.expire(1_000, () => true);
  expect(sessions.size).toBe(0);

  const revoked = away();
  revoked.expire(0, (device) => device !== attic);
  expect(revoked.size).toBe(0);
});

test("whoever follows from the beginning has what waits, and not what arrived meanwhile", () => {
  const [host, next] = [away(), new Sessions()];
  const [first, second] = [message(cellar), message(cellar)];
  host.put(ha, first);
  host.news(0);
  hearAll(next, host);
  host.put(ha, second);
  host.sent(ha, first.key, 7);
  host.acknowledged(ha, 7);
  for (const bytes of host.news(10_000)) next.hear(bytes, door, 10_000);
  expect(next.waiting(ha)).toEqual([second]);
  expect(next.filtersOf(ha)).toEqual([[filter, 1]]);
  host.end(ha);
  for (const bytes of host.news(10_000)) next.hear(bytes, door, 10_000);
  expect(next.size).toBe(0);
});

test("what is acknowledged before the next in line hear of it is not told at all", () => {
  const host = away();
  host.news(0);
  const one = message(cellar);
  host.put(ha, one);
  host.sent(ha, one.key, 7);
  host.acknowledged(ha, 7);
  expect(host.news(0)).toEqual([]);
});

test("two brokers of a split become one: all that waits at either, each once, and nothing that has arrived", () => {
  const [one, other] = [away(), new Sessions()];
  const [before, here, there, arrived] = [message(cellar), message(cellar), message(kitchen), message(kitchen)];
  one.put(ha, before);
  one.put(ha, arrived);
  hearAll(other, one);
  one.put(ha, here);
  other.put(ha, there);
  // What is older comes first, wherever it waited.
  other.sent(ha, arrived.key, 9);
  other.acknowledged(ha, 9);
  hearAll(one, other);
  expect(one.waiting(ha)).toEqual([before, here, there]);
});

test("another broker is believed only so far", () => {
  const liar = away();
  liar.subscribe(ha, [["$SYS/#", 1]]);
  liar.subscribe("x".repeat(26), [[filter, 1]]);
  liar.put(ha, message(cellar));
  liar.put(ha, message(kitchen));
  const told = new Sessions();
  hearAll(told, liar, 10_000, {
    isMember: (device) => device !== "x".repeat(26),
    mayRead: (name) => !name.startsWith("$"),
    maySay: (topic) => topic.includes(cellar),
    speaksFor: () => true,
  });
  expect([told.size, told.filtersOf(ha), sources(told)]).toEqual([1, [[filter, 1]], [cellar]]);
  const before = told.all(0);
  for (const text of ["", "{}", '{"t":"put"}\n', "nonsense\nmore", `{"t":"end","c":"${"z".repeat(900)}"}\n`])
    told.hear(Buffer.from(text), door, 0);
  expect(told.all(0)).toEqual(before);
  // What it makes up stays within the limits.
  const small = new Sessions({ sessionsPerDevice: 1, waiting: 2 });
  for (let number = 0; number < 5; number++) {
    small.hear(
      Buffer.from(`${JSON.stringify({ t: "session", c: `${attic}.s${number}`, f: [[filter, 1]] })}\n`),
      door,
      0,
    );
    for (let put = 0; put < 5; put++)
      small.hear(
        Buffer.from(`${JSON.stringify({ t: "put", c: `${attic}.s${number}`, k: `b:${put}`, o: "a/b/c", ageMs: 1 })}\n`),
        door,
        0,
      );
  }
  expect([small.size, small.waiting(`${attic}.s0`).length]).toEqual([1, 2]);
});

test("a broker that had no part in a client's session ends nothing of it, and speaks in nobody's name but its own", () => {
  const [mine, liar] = [away({ waiting: 4 }), away()];
  const waits = message(cellar);
  mine.put(ha, waits);
  liar.put(ha, { ...waits });
  liar.sent(ha, waits.key, 1);
  liar.acknowledged(ha, 1);
  for (let number = 0; number < 8; number++) liar.put(ha, message(cellar));
  const own = message(kitchen);
  liar.put(ha, own);
  const told = liar.all(10_000);
  liar.unsubscribe(ha, [filter]);
  told.push(...liar.all(10_000));
  liar.end(ha);
  told.push(...liar.news(10_000));
  for (const bytes of told) mine.hear(bytes, { ...door, speaksFor: (device) => device === kitchen }, 10_000);
  expect([mine.filtersOf(ha), mine.waiting(ha)]).toEqual([[[filter, 1]], [waits, own]]);
});

test("sessions that another broker makes up give way to a client that comes itself", () => {
  const told = new Sessions({ sessions: 3, sessionsPerDevice: 2 });
  const claim = (client: string) =>
    told.hear(
      Buffer.from(`${JSON.stringify({ t: "session", c: client, f: [[filter, 1]] })}\n`),
      { ...door, speaksFor: () => false },
      0,
    );
  for (const client of [`${attic}.s1`, `${attic}.s2`, `${attic}.s3`, cellar, kitchen]) claim(client);
  expect([told.size, told.mayKeep(ha), told.mayKeep(`${kitchen}.home`)]).toEqual([3, true, true]);
  told.subscribe(ha, [[filter, 1]]);
  told.subscribe(`${attic}.two`, [[filter, 1]]);
  told.subscribe(`${kitchen}.home`, [[filter, 1]]);
  expect([told.size, told.mayKeep(`${attic}.s1`), told.mayKeep(`${kitchen}.two`)]).toEqual([3, false, false]);
  claim(cellar);
  expect([ha, `${attic}.two`, `${kitchen}.home`].map((client) => told.filtersOf(client).length)).toEqual([1, 1, 1]);
});

test("a client that is connected here keeps its session, whatever another broker says of it", () => {
  const sessions = away();
  sessions.attend(ha, true, 0);
  sessions.hear(Buffer.from(`${JSON.stringify({ t: "end", c: ha })}\n`), door, 0);
  sessions.hear(Buffer.from(`${JSON.stringify({ t: "session", c: ha, f: [] })}\n`), door, 0);
  expect(sessions.filtersOf(ha)).toEqual([[filter, 1]]);
});

test("an identifier that comes again belongs to the newest message that was sent with it", () => {
  const sessions = away();
  const [old, fresh] = [message(cellar), message(cellar)];
  sessions.put(ha, { ...old });
  sessions.put(ha, { ...fresh });
  sessions.sent(ha, old.key, 5);
  sessions.sent(ha, fresh.key, 5);
  expect(sessions.acknowledged(ha, 5)?.key).toBe(fresh.key);
  expect(sessions.waiting(ha).map(({ key }) => key)).toEqual([old.key]);
});

test.each([
  ["plain", "x", true],
  ["quotes", '"', true],
  ["control characters", "\u0001", false],
  ["characters of three bytes", "\u20ac", false],
])("no topic makes a packet too long for those who follow the broker: %s", (_what, letter, isAllowed) => {
  const limits = brokerLimits;
  const filters = Array.from({ length: limits.subscriptions }, (_, n) => `homeassistant/${n}/`.padEnd(256, letter));
  const topic = `hamlet/${hood}/${cellar}/`.padEnd(256, letter);
  const payload = Buffer.alloc(maxPayloadBytes);
  const packet = { topic, payload, retain: false };
  const publication = { neighborhood: hood, device: cellar, packet, json: () => undefined, kept: new Map(), limits };
  const granted = filters.filter((one) => maySubscribe(hood, one, new Map(), limits) === undefined);
  const isSaid = mayPublish(publication) === undefined;
  expect([granted.length > 0, isSaid]).toEqual([isAllowed, isAllowed]);
  const sessions = new Sessions();
  const client = `${attic}.${"h".repeat(32)}`;
  sessions.subscribe(
    client,
    granted.map((one) => [one, 1]),
  );
  sessions.attend(client, false, 0);
  const keys = Array.from({ length: limits.waiting }, (_, n) => `${"b".repeat(35)}:${n}`);
  for (const key of isSaid ? keys : []) sessions.put(client, { key, topic, payload, at: 0 });
  for (const told of sessions.all(1e9)) {
    // A PUBLISH holds its topic and that one's length too.
    expect(told.length).toBeLessThanOrEqual(limits.packetBytes - sessionsTopic.length - 2);
  }
});
