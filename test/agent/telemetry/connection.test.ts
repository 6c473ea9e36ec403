import { expect, test } from "vitest";
import { type Connection, type Effect, type Event, newConnection, step } from "../../../agent/telemetry/connection.ts";

const member = "fd00::7";
const external = "mqtts://ha:s3cret@broker.example";
const retryMs = 1_000;

/** Steps through events at their times; what came out as one line each. */
function play(...events: [now: number, event: Event][]): { connection: Connection; lines: string[] } {
  let connection = newConnection(0);
  const lines: string[] = [];
  for (const [now, event] of events) {
    let effects: Effect[];
    [connection, effects] = step(connection, event, { now, chance: 0.5, retryMs });
    lines.push(...effects.map((effect) => `${now} ${told(effect)}`));
  }
  return { connection, lines };
}
function told(effect: Effect): string {
  switch (effect.kind) {
    case "leave":
      return `leave${effect.goodbye ? " with goodbye" : ""}`;
    case "join":
      return `join ${effect.target} as ${effect.name}`;
    case "log":
      return `${effect.level} ${effect.message}`;
    case "warn":
      return `warning ${effect.message}`;
    case "clearWarning":
      return "warning over";
  }
}
const tick = (target?: string, name = "attic"): Event => ({ kind: "tick", target, name });
const accepted: Event = { kind: "accepted" };
const failed = (because: string, isRefusal = false): Event => ({ kind: "failed", because, isRefusal });
const closed: Event = { kind: "closed" };
const steady: [number, Event][] = [
  [0, tick(member)],
  [10, accepted],
  [30_010, tick(member)],
];

test("a connection goes from idle to steady, and steady ends the warning", () => {
  expect(play([0, tick()]).connection.phase).toBe("idle");
  const { connection, lines } = play(...steady, [31_000, tick(member)]);
  expect(connection).toMatchObject({ phase: "steady", place: { target: member } });
  expect(lines).toEqual([
    `0 join ${member} as attic`,
    `10 info connected to the broker at ${member}`,
    "30010 warning over",
  ]);
});

test("attempts wait twice as long each time, up to 30 s, until a connection was steady", () => {
  const events: [number, Event][] = [];
  const waits: number[] = [];
  let [connection, now] = [newConnection(0), 0];
  const happen = (event: Event) => {
    [connection] = step(connection, event, { now, chance: 0.5, retryMs });
    events.push([now, event]);
  };
  for (let attempt = 0; attempt < 8; attempt++) {
    happen(tick(member));
    // It accepts and cuts us off: that is a failure too.
    happen(accepted);
    happen(closed);
    if (connection.phase !== "waiting") throw new Error(connection.phase);
    waits.push(connection.until - now);
    now = connection.until;
  }
  // Chance lies between a half and the whole of each; 0.5 is in the middle.
  expect(waits).toEqual([1, 2, 4, 8, 16, 30, 30, 30].map((seconds) => seconds * 750));
  happen(tick(member));
  happen(accepted);
  now += 30_000;
  happen(tick(member));
  happen(closed);
  expect(connection).toMatchObject({ phase: "waiting", until: now + 750 });
});

test("a member's broker raises a warning after a minute, counted from the last steady connection", () => {
  const { lines } = play(
    ...steady,
    [90_000, failed("ECONNRESET")],
    [90_000, closed],
    [150_000, tick(member)],
    [150_001, tick(member)],
  );
  expect(lines.slice(3)).toEqual([
    `90000 debug broker ${member}: ECONNRESET`,
    `150000 join ${member} as attic`,
    `150001 warning the broker at ${member} does not answer: ECONNRESET`,
  ]);
});

test("an external broker that refuses the login raises a warning at once, without the password", () => {
  const { lines } = play([0, tick(external)], [10, failed("Not authorized", true)], [10, closed], [20, tick(external)]);
  expect(lines.slice(1)).toEqual([
    "10 warn broker mqtts://broker.example:8883: Not authorized",
    "20 warning the broker at mqtts://broker.example:8883 does not answer: Not authorized",
  ]);
});

test("a connection has one reason to fail, and the first reason is told until another comes twice in a row", () => {
  const attempt = (now: number, ...reasons: string[]): [number, Event][] => [
    [now, tick(member)],
    ...reasons.map((because): [number, Event] => [now, failed(because)]),
    [now, closed],
  ];
  const reason = (...events: [number, Event][]) =>
    play(...events, [999_999, tick(member)])
      .lines.at(-1)
      ?.replace(/.*answer/, "");
  const [first, second, third] = [attempt(0, "A", "B"), attempt(100_000, "C"), attempt(200_000, "C")];
  expect(reason(...first)).toBe(": A");
  expect(reason(...first, ...second)).toBe(": A");
  expect(reason(...first, ...second, ...third)).toBe(": C");
  expect(reason(...attempt(0))).toBe(": it ended the connection");
});

test("a new broker is joined after a goodbye to the old one and a moment that differs from member to member", () => {
  const next = "fd00::9";
  const { lines } = play(...steady, [40_000, tick(next)], [40_499, tick(next)], [40_500, tick(next)]);
  expect(lines.slice(3)).toEqual(["40000 leave with goodbye", `40500 join ${next} as attic`]);
  expect(play(...steady, [40_000, tick()]).connection).toEqual({ phase: "idle", lostAt: 40_000 });
});

test("a new name takes a new connection, at once and without a goodbye", () => {
  const { lines } = play(...steady, [40_000, tick(member, "loft")], [40_000, tick(member, "loft")]);
  expect(lines.slice(3)).toEqual(["40000 leave", `40000 join ${member} as loft`]);
});

test("a steady connection in trouble must prove itself again", () => {
  const { connection } = play(...steady, [40_000, failed("bad packet")], [41_000, tick(member)]);
  expect(connection).toMatchObject({ phase: "joined", since: 40_000, lostAt: 40_000 });
});

test("stop leaves with a goodbye, and nothing happens after it", () => {
  const { lines, connection } = play(...steady, [40_000, { kind: "stop" }], [41_000, tick(member)], [42_000, closed]);
  expect(lines.slice(3)).toEqual(["40000 leave with goodbye"]);
  expect(connection).toEqual({ phase: "stopped" });
  expect(play([0, { kind: "stop" }]).lines).toEqual([]);
});
